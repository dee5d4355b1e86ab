package actors

import (
	"fmt"

	"tenement/conf"
	"tenement/sandbox"
)

// mendError is a start that fails until somebody mends something: trying again
// at once is pointless.
type mendError struct{ error }

// secretsOf reads what a service's secrets are now: the files may have changed
// since the configuration was checked.
func secretsOf(filled conf.Expanded) (env map[string]string, secrets map[string][]byte, err error) {
	if filled.EnvFile != "" {
		if env, err = conf.ReadEnvFile(filled.EnvFile); err != nil {
			return nil, nil, mendError{fmt.Errorf("env_file: %w", err)}
		}
	}
	if len(filled.Secrets) > 0 {
		secrets = make(map[string][]byte, len(filled.Secrets))
	}
	for name, path := range filled.Secrets {
		if secrets[name], err = conf.ReadSecret(path); err != nil {
			return nil, nil, mendError{fmt.Errorf("secrets.%s: %w", name, err)}
		}
	}
	return env, secrets, nil
}

// secretPlaces are the variables by which an app finds its secrets: NAME_FILE
// for each, as the official images of Docker have it, and SECRETS_DIR for all.
func secretPlaces(runDir string, secrets map[string][]byte) map[string]string {
	if len(secrets) == 0 {
		return nil
	}
	dir := sandbox.SecretsDir(runDir)
	places := map[string]string{"SECRETS_DIR": dir}
	for name := range secrets {
		places[name+"_FILE"] = dir + "/" + name
	}
	return places
}
