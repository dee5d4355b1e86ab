package main

import (
	"bytes"
	"fmt"

	"tenement/conf"
	"tenement/edge"
)

// webhookSecret is the key of the webhook's signatures, nil for none. A daemon
// does not start with one that it cannot read: unsigned news would be refused.
func webhookSecret(s conf.Settings) ([]byte, error) {
	if s.WebhookSecretFile == "" {
		return nil, nil
	}
	key, err := conf.ReadSecret(s.WebhookSecretFile)
	if err != nil {
		return nil, fmt.Errorf("settings.webhook_secret_file: %w", err)
	}
	if key = bytes.TrimRight(key, "\r\n"); len(key) == 0 {
		return nil, fmt.Errorf("settings.webhook_secret_file: %s is empty", s.WebhookSecretFile)
	}
	return key, nil
}

// startWebhook gives nil where there is none. The daemon's stop ends it.
func startWebhook(o daemonOptions, secret []byte, h host) *edge.Webhook {
	url := o.place.config.Settings.Webhook
	if url == "" {
		return nil
	}
	return edge.StartWebhook(edge.WebhookOptions{URL: url, Secret: secret, Domain: o.domain, Log: o.log}, h.FollowEvents)
}
