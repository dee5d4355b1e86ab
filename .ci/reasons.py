"""Takes the output of `go test -json` apart: argv[1] is read, argv[2] gets the text
that `go test -v` would have printed, and stdout a line for each test that was
skipped, with the reason it gave."""
import json
import sys

text, said, skipped = [], {}, []
for line in open(sys.argv[1], encoding="utf-8", errors="replace"):
    try:
        event = json.loads(line)
    except ValueError:  # of the compiler, or of go itself
        text.append(line)
        continue
    test = (event.get("Package"), event.get("Test"))
    output = event.get("Output", "")
    text.append(output)
    if "_test.go:" in output:
        said.setdefault(test, []).append(output.strip())
    if event.get("Action") == "skip" and event.get("Test"):
        skipped.append(test)
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.writelines(text)
for test in skipped:
    print(f"{test[0]} {test[1]}: {'; '.join(said.get(test, ['no reason was given']))}")
