package conf

import (
	"strings"
	"testing"
)

func TestWebhook_IsAURLWithoutAPassword(t *testing.T) {
	const ok = "\n[service.notes]\ncommand = 'x'\n"
	for _, url := range []string{"https://hooks.example.com/T0/B0?x=1", "http://127.0.0.1:9000/", "http://[::1]:9000"} {
		same(t, mustParse(t, "[settings]\nwebhook = '"+url+"'"+ok).Settings.Webhook, url)
	}
	for url, says := range map[string]string{
		"ftp://x.org/": "not a URL of https or http", "hooks.example.com": "not a URL", "https://": "not a URL", "/path": "not a URL", "https://%zz/": "not a URL",
		"https://a:b@x.org/": "must not hold a password",
	} {
		_, err := Parse("t", []byte("[settings]\nwebhook = '"+url+"'"+ok))
		if err == nil || !strings.Contains(err.Error(), "t:2: settings.webhook: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", url, err)
		}
	}
	same(t, mustParse(t, "[settings]\nwebhook_secret_file = '/etc/tenement/hook'"+ok).Settings.WebhookSecretFile, "/etc/tenement/hook")
}
