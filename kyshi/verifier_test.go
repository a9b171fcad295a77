package kyshi_test

import (
	"bytes"
	"crypto"
	_ "crypto/md5"
	_ "crypto/sha1"
	_ "crypto/sha3"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// vector is one row of vectors.tsv.
type vector struct {
	file           string
	body           []byte
	sha256, base64 string
	sha512         string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	rows := strings.Split(strings.TrimSpace(string(payload(t, "vectors.tsv"))), "\n")[1:]
	require.Len(t, rows, 15)
	var all []vector
	for _, row := range rows {
		cells := strings.Split(row, "\t")
		require.Len(t, cells, 5)
		v := vector{file: cells[0], body: payload(t, cells[0]), sha256: cells[2], base64: cells[3], sha512: cells[4]}
		require.Equal(t, cells[1], strconv.Itoa(len(v.body)))
		all = append(all, v)
	}
	return all
}

// forms are all texts of a MAC that are read.
func forms(mac []byte, prefix string) map[string]string {
	all := map[string]string{}
	for name, text := range map[string]string{
		"hex":             hex.EncodeToString(mac),
		"upper hex":       strings.ToUpper(hex.EncodeToString(mac)),
		"base64":          base64.StdEncoding.EncodeToString(mac),
		"unpadded base64": base64.RawStdEncoding.EncodeToString(mac),
	} {
		all[name] = text
		all["prefix "+name] = prefix + text
		all["upper prefix "+name] = strings.ToUpper(prefix) + text
		all["space around "+name] = " \t" + text + " \r\n"
	}
	return all
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	mac, err := hex.DecodeString(text)
	require.NoError(t, err)
	return mac
}

func sha512Config(c *kyshi.VerifierConfig) { c.Hash = crypto.SHA512 }

func TestVectorsInEachTextForm(t *testing.T) {
	short, long := newVerifier(t), newVerifier(t, sha512Config)
	for _, v := range vectors(t) {
		require.Equal(t, v.sha256, short.Sign(v.body), v.file)
		require.Equal(t, v.sha512, long.Sign(v.body), v.file)
		require.NoError(t, short.Verify(v.body, v.base64), v.file)
		for name, text := range forms(unhex(t, v.sha256), "sha256=") {
			require.NoError(t, short.Verify(v.body, text), "%s %s", v.file, name)
			require.ErrorIs(t, long.Verify(v.body, text), kyshi.ErrMalformedSignature, "%s %s", v.file, name)
		}
		for name, text := range forms(unhex(t, v.sha512), "sha512=") {
			require.NoError(t, long.Verify(v.body, text), "%s %s", v.file, name)
			require.ErrorIs(t, short.Verify(v.body, text), kyshi.ErrMalformedSignature, "%s %s", v.file, name)
		}
	}
}

func TestTheOtherHashIsNamed(t *testing.T) {
	short, long := newVerifier(t), newVerifier(t, sha512Config)
	body := []byte(anEvent)
	for _, prefix := range []string{"", "sha512="} {
		require.EqualError(t, short.Verify(body, prefix+long.Sign(body)),
			"kyshi: webhook: malformed signature: it is a 64-byte digest, as of SHA-512, while SHA-256 is configured: see VerifierConfig.Hash")
	}
	require.EqualError(t, long.Verify(body, "sha256="+short.Sign(body)),
		"kyshi: webhook: malformed signature: it is a 32-byte digest, as of SHA-256, while SHA-512 is configured: see VerifierConfig.Hash")
	// The prefix names another hash than the digest's length does: neither is believed.
	require.EqualError(t, short.Verify(body, "sha512="+short.Sign(body)),
		"kyshi: webhook: malformed signature: not the hex or base64 of a 32-byte SHA-256 digest")
}

func TestOneBitFlipped(t *testing.T) {
	v := newVerifier(t)
	for _, row := range vectors(t) {
		for i := range 8 * len(row.body) {
			body := bytes.Clone(row.body)
			body[i/8] ^= 1 << (i % 8)
			require.ErrorIs(t, v.Verify(body, row.sha256), kyshi.ErrSignatureMismatch)
		}
		for i := range 8 * 32 {
			mac := unhex(t, row.sha256)
			mac[i/8] ^= 1 << (i % 8)
			require.ErrorIs(t, v.Verify(row.body, base64.StdEncoding.EncodeToString(mac)), kyshi.ErrSignatureMismatch)
		}
	}
	for i := range 7 * len(secret) {
		other := []byte(secret)
		other[i/7] ^= 1 << (i % 7)
		made, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{string(other)}})
		if err != nil {
			continue // a control character
		}
		require.ErrorIs(t, made.Verify([]byte(anEvent), sign(anEvent)), kyshi.ErrSignatureMismatch)
	}
}

func TestMalformedSignatures(t *testing.T) {
	v, good, mac := newVerifier(t), sign(anEvent), unhex(t, sign(anEvent))
	encoded := base64.StdEncoding.EncodeToString(mac)
	loose := encoded[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", encoded[42])|1]) + "="
	decoded, err := base64.StdEncoding.DecodeString(loose)
	require.NoError(t, err)
	require.Equal(t, mac, decoded, "bits that say nothing, set")
	for _, text := range []string{
		"x", "sha256=", "sha256", good[:63], good + "0", good + good, "0x" + good, "0x" + good[2:], good[:32] + " " + good[32:],
		good[:63] + "g", good[:63] + "\x00", "sha1=" + good, "sha256:" + good, "sha256= " + good, "sha256=sha256=" + good, "t=1,v1=" + good,
		good + "," + good, secret, hex.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32)),
		encoded[:43] + "\n=", encoded[:20] + "\r\n" + encoded[22:], encoded[:20] + "\n" + encoded[20:43], encoded[:43] + "==", loose, loose[:43],
	} {
		require.ErrorIs(t, v.Verify([]byte(anEvent), text), kyshi.ErrMalformedSignature, "%q", text)
	}
	for _, text := range []string{"", " ", "\t\r\n"} {
		require.ErrorIs(t, v.Verify([]byte(anEvent), text), kyshi.ErrNoSignature, "%q", text)
	}
	require.ErrorIs(t, v.Verify(nil, good), kyshi.ErrSignatureMismatch)
	require.NoError(t, v.Verify(nil, v.Sign(nil)), "an empty body has a signature too")
}

func TestOneHeaderExactly(t *testing.T) {
	v, good := newVerifier(t), sign(anEvent)
	for _, row := range []struct {
		values []string
		want   error
	}{
		{nil, kyshi.ErrNoSignature}, {[]string{""}, kyshi.ErrNoSignature}, {[]string{good}, nil},
		{[]string{good, good}, kyshi.ErrSeveralSignatures}, {[]string{good, ""}, kyshi.ErrSeveralSignatures}, {[]string{"", ""}, kyshi.ErrSeveralSignatures},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		for _, value := range row.values {
			r.Header.Add("x-kyshi-signature", value)
		}
		require.ErrorIs(t, v.VerifyRequest(r, []byte(anEvent)), row.want, "%q", row.values)
	}
}

func TestHeaderIsASetting(t *testing.T) {
	v := newVerifier(t, func(c *kyshi.VerifierConfig) { c.Header = "x-other-signature" })
	require.Equal(t, "X-Other-Signature", v.Header())
	r := signed(anEvent)
	require.ErrorIs(t, v.VerifyRequest(r, []byte(anEvent)), kyshi.ErrNoSignature)
	r.Header.Set("X-OTHER-signature", sign(anEvent))
	require.NoError(t, v.VerifyRequest(r, []byte(anEvent)))
	require.Equal(t, kyshi.SignatureHeader, newVerifier(t).Header())
}

func TestAnyOfTheSecrets(t *testing.T) {
	v := newVerifier(t, func(c *kyshi.VerifierConfig) { c.Secrets = []string{"whsec_new", secret} })
	require.NoError(t, v.Verify([]byte(anEvent), sign(anEvent)), "the second")
	require.NoError(t, v.Verify([]byte(anEvent), v.Sign([]byte(anEvent))))
	require.Equal(t, signWith("whsec_new", anEvent), v.Sign([]byte(anEvent)), "signs with the first")
	require.ErrorIs(t, v.Verify([]byte(anEvent), signWith("whsec_retired", anEvent)), kyshi.ErrSignatureMismatch)
}

func TestSecretsAreCopied(t *testing.T) {
	list := []string{secret}
	v := newVerifier(t, func(c *kyshi.VerifierConfig) { c.Secrets = list })
	list[0] = "whsec_other"
	require.NoError(t, v.Verify([]byte(anEvent), sign(anEvent)))
}

func TestNewVerifierRefusesWhatCannotWork(t *testing.T) {
	good := []string{secret}
	for name, row := range map[string]struct {
		cfg   kyshi.VerifierConfig
		field string
	}{
		"no secret":      {kyshi.VerifierConfig{}, "Secrets"},
		"empty list":     {kyshi.VerifierConfig{Secrets: []string{}}, "Secrets"},
		"empty secret":   {kyshi.VerifierConfig{Secrets: []string{""}}, "Secrets[0]"},
		"empty second":   {kyshi.VerifierConfig{Secrets: []string{secret, ""}}, "Secrets[1]"},
		"newline":        {kyshi.VerifierConfig{Secrets: []string{secret + "\n"}}, "Secrets[0]"},
		"space":          {kyshi.VerifierConfig{Secrets: []string{" " + secret}}, "Secrets[0]"},
		"blank":          {kyshi.VerifierConfig{Secrets: []string{" "}}, "Secrets[0]"},
		"control":        {kyshi.VerifierConfig{Secrets: []string{"a\x00b"}}, "Secrets[0]"},
		"MD5":            {kyshi.VerifierConfig{Secrets: good, Hash: crypto.MD5}, "Hash"},
		"SHA-1":          {kyshi.VerifierConfig{Secrets: good, Hash: crypto.SHA1}, "Hash"},
		"SHA-224":        {kyshi.VerifierConfig{Secrets: good, Hash: crypto.SHA224}, "Hash"},
		"SHA-512/256":    {kyshi.VerifierConfig{Secrets: good, Hash: crypto.SHA512_256}, "Hash"},
		"no such hash":   {kyshi.VerifierConfig{Secrets: good, Hash: 99}, "Hash"},
		"header space":   {kyshi.VerifierConfig{Secrets: good, Header: "X Kyshi"}, "Header"},
		"header colon":   {kyshi.VerifierConfig{Secrets: good, Header: "X-Kyshi:"}, "Header"},
		"header newline": {kyshi.VerifierConfig{Secrets: good, Header: "X\r\nY: z"}, "Header"},
		"header é":       {kyshi.VerifierConfig{Secrets: good, Header: "X-é"}, "Header"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := kyshi.NewVerifier(row.cfg)
			require.Nil(t, v)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, row.field, invalid.Fields[0].Field)
			require.NotContains(t, err.Error(), secret)
		})
	}
	_, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{"", "x "}, Hash: crypto.MD5})
	require.EqualError(t, err, "kopokopo: kyshi verifier: Secrets[0] is required; Secrets[1] has white space around it: "+
		"pass the secret exactly as Kyshi shows it; Hash must be crypto.SHA256 or crypto.SHA512")
}

func TestZeroVerifierVerifiesNothing(t *testing.T) {
	for _, v := range []*kyshi.Verifier{nil, {}} {
		require.Error(t, v.Verify([]byte(anEvent), sign(anEvent)))
		require.Error(t, v.VerifyRequest(signed(anEvent), []byte(anEvent)))
		_, err := v.SignedRequest(t.Context(), "https://shop.example/kyshi", nil)
		require.Error(t, err)
		require.Empty(t, v.Sign(nil))
		require.Empty(t, v.Header())
		require.Equal(t, "kyshi.Verifier(not made)", fmt.Sprint(v))
	}
}

// secretForms are the texts in which a secret could get out.
func secretForms() []string {
	return []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret),
		strings.Trim(fmt.Sprint([]byte(secret)), "[]"), fmt.Sprintf("%#v", []byte(secret))}
}

func TestFault_Kyshi_S05_NoVerbPrintsASecret(t *testing.T) {
	v, cfg := newVerifier(t), kyshi.VerifierConfig{Secrets: []string{secret}}
	h := newHook(t, nil)
	type holder struct {
		Exported any
		private  any
		pointer  *kyshi.Verifier
	}
	values := []any{v, *v, cfg, &cfg, h.Handler, kyshi.HandlerConfig{Verifier: v}, []any{v, cfg}, map[string]any{"v": v, "c": cfg},
		holder{v, v, v}, &holder{cfg, h.Handler, v}, fmt.Errorf("wrapped: %v", v)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%c", "%U"} {
		for _, value := range values {
			text := fmt.Sprintf(verb, value)
			for _, form := range secretForms() {
				require.NotContains(t, text, form, verb)
			}
		}
	}
	// fmt asks nobody before it prints by %p: what is not in a func field gets out.
	for _, value := range []any{v, *v, h.Handler, kyshi.HandlerConfig{Verifier: v}} {
		require.NotContains(t, fmt.Sprintf("%p", value), secret)
	}
}

func TestFault_Kyshi_S06_NoEncoderWritesASecret(t *testing.T) {
	v, cfg := newVerifier(t), kyshi.VerifierConfig{Secrets: []string{secret}}
	var out bytes.Buffer
	for _, value := range []any{v, cfg, &cfg, map[string]any{"config": cfg}} {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		out.Write(text)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", value)
	}
	require.NoError(t, gob.NewEncoder(&out).Encode(cfg))
	for _, form := range secretForms() {
		require.NotContains(t, out.String(), form)
	}
}

func TestErrorsSayNothing(t *testing.T) {
	v, mac := newVerifier(t), sign(anEvent)
	wrong := signWith("whsec_other", anEvent)
	for _, value := range []string{"", mac[:63], mac[:63] + "x", wrong, "sha512=" + mac, newVerifier(t, sha512Config).Sign([]byte(anEvent))} {
		err := v.Verify([]byte(anEvent), value)
		require.Error(t, err)
		for _, text := range slices.Concat(secretForms(), []string{mac[:16], wrong[:16], "ORD-7f3a19c2", "ama.mensah", "AUTH_x1y2z3"}) {
			require.NotContains(t, err.Error(), text)
		}
	}
}

func TestReserialisedIsRefused(t *testing.T) {
	v := newVerifier(t)
	for _, row := range vectors(t) {
		var tree any
		require.NoError(t, json.Unmarshal(row.body, &tree))
		again, err := json.Marshal(tree)
		require.NoError(t, err)
		require.NotEqual(t, row.body, again)
		require.ErrorIs(t, v.Verify(again, row.sha256), kyshi.ErrSignatureMismatch, row.file)
	}
	// 14 is one that no decoding and encoding preserves, in any language.
	trap := vectors(t)[13]
	require.Equal(t, "14-bytes-trap.json", trap.file)
	require.NoError(t, v.Verify(trap.body, trap.sha256))
	require.ErrorIs(t, v.Verify(bytes.TrimSpace(trap.body), trap.sha256), kyshi.ErrSignatureMismatch)
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, trap.body))
	require.ErrorIs(t, v.Verify(compact.Bytes(), trap.sha256), kyshi.ErrSignatureMismatch)
}

func TestDataAloneIsRefused(t *testing.T) {
	v := newVerifier(t)
	for name, body := range payloads(t) {
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &members))
		if data := members["data"]; data != nil {
			require.ErrorIs(t, v.Verify(body, v.Sign(data)), kyshi.ErrSignatureMismatch, name)
			require.ErrorIs(t, v.Verify(data, v.Sign(body)), kyshi.ErrSignatureMismatch, name)
		}
	}
}

func TestVerifierIsSafeForConcurrentUse(t *testing.T) {
	v, rows := newVerifier(t), vectors(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			row := rows[i%len(rows)]
			if v.Verify(row.body, row.sha256) != nil || v.Sign(row.body) != row.sha256 {
				t.Error(row.file)
			}
		})
	}
	all.Wait()
}
