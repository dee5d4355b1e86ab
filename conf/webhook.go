package conf

import (
	"fmt"
	"net/url"
)

// isWebhook takes a URL of http, too: a receiver may be on this machine.
func isWebhook(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Sprintf("%q is not a URL of https or http", clip(s))
	case u.User != nil:
		return "it must not hold a password: webhook_secret_file signs what is sent"
	}
	return ""
}
