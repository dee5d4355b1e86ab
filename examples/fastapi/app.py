"""Notes: one customer's notes, in a SQLite database of that customer's own."""
import os
import sqlite3
from contextlib import closing

from fastapi import FastAPI, Request, Response

app = FastAPI()


def database():
    db = sqlite3.connect(os.path.join(os.environ["DATA_DIR"], "notes.db"))
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    return db


@app.get("/")
def read():
    print("reading the notes", flush=True)
    with closing(database()) as db:
        notes = "".join(text + "\n" for (text,) in db.execute("SELECT text FROM notes ORDER BY id"))
    return Response(f"notes of {os.environ['TENEMENT_ID']}\n{notes}", media_type="text/plain; charset=utf-8")


@app.post("/", status_code=201)
async def write(request: Request):
    text = (await request.body()).decode()
    with closing(database()) as db, db:
        db.execute("INSERT INTO notes (text) VALUES (?)", (text,))
    print("wrote a note", flush=True)
    return Response(status_code=201)
