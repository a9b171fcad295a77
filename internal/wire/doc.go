// Package wire holds everything lenient about JSON: reading what Kopo Kopo and Kyshi
// send, whatever form a value comes in, and writing what they read.
//
// K2 sends the same field as text, number or null depending on endpoint, version and
// year; a payment must not be lost over that. What is decoded is exact all the same:
// no number passes through a float unless the field is one.
//
// # What a document may cost
//
// Documents come from outside, so what they cost is bounded by their size. A document
// of n bytes is decoded in a fixed number of passes, each in a time that grows with n.
// [Decode], [DecodeLenient], [Object] and [ReadTexts] allocate at most 8 MiB + 96·n in
// all, if no list is one of structs of more than 384 bytes: an answer of this module's
// types two thirds of that. Tests measure it with hostile documents.
//
// That takes limits, since the smallest values of JSON have two bytes and become
// hundreds in Go: a list of {} becomes a list of structs. [Check] refuses a document
//
//   - that is nested more than 100 levels deep,
//   - that has more list elements, and lists and objects in objects, than 1024 + n/48,
//   - that has more values of any kind than 8192 + n/12.
//
// No answer or event of K2's comes near. On record none has more than 8 levels; only
// metadata, which is what the merchant sent, could add some. The longest are pollings:
// each transaction has 2 elements and 15 values in 400 bytes, that is 200 bytes for an
// element and 26 for a value. The densest that can be long are the results of send
// money where each destination has a batch and a reason of its own: 6 elements in 550
// bytes, that is 90 for each. Even if nothing were left of them but names and null,
// they would have 57 bytes for an element and 17 for a value. What is allowed at any
// size covers metadata, errors and short answers.
//
// The reasons for a failure have limits of their own: see [Texts].
package wire
