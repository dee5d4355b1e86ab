"""Notes: one customer's notes, in one file of that customer's own directory."""
import os

from flask import Flask, request

app = Flask(__name__)
NOTES = os.path.join(os.environ["DATA_DIR"], "notes.txt")


@app.get("/")
def read():
    print("reading the notes", flush=True)
    notes = open(NOTES).read() if os.path.exists(NOTES) else ""
    return f"notes of {os.environ['TENEMENT_ID']}\n{notes}", {"Content-Type": "text/plain; charset=utf-8"}


@app.post("/")
def write():
    with open(NOTES, "a") as f:
        f.write(request.get_data(as_text=True) + "\n")
        f.flush()
        os.fsync(f.fileno())
    print("wrote a note", flush=True)
    return "", 201
