package conf

import "testing"

func TestParse_RunscPathIsMadeAbsolute(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"[settings]\nrunsc_path = \"/a/./b\"": "/a/b",
		"[settings]\nrunsc_path = \"bin/x\"":  wd(t) + "/bin/x",
	} {
		same(t, mustParse(t, text).Settings.RunscPath, want)
	}
}
