package sandbox

// Supports is nil for a level that tenants can run at here, else a sentence
// that says what is missing and what to write instead: Diagnosis.Supports of
// what the machine had when it was first asked.
func (e *Engine) Supports(l Level) error {
	return e.diagnosis().Supports(l)
}

// tryEnclosing makes once what every start above LevelProcess needs.
func tryEnclosing() error {
	return onThread(func() error {
		n, err := makeNetns()
		if err != nil {
			return err
		}
		n.close()
		t, err := buildTemplate(layout{host: "try"}, nil)
		if err != nil {
			return err
		}
		t.close()
		return nil
	})
}
