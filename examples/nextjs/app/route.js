// Notes: one customer's notes, in one file of that customer's own directory.
import fs from "node:fs/promises";
import path from "node:path";

export const dynamic = "force-dynamic"; // not answered at build time

const notes = () => path.join(process.env.DATA_DIR, "notes.txt");

export async function GET() {
  console.log("reading the notes");
  const text = await fs.readFile(notes(), "utf8").catch(() => "");
  return new Response(`notes of ${process.env.TENEMENT_ID}\n${text}`, { headers: { "Content-Type": "text/plain; charset=utf-8" } });
}

export async function POST(request) {
  await fs.appendFile(notes(), (await request.text()) + "\n");
  console.log("wrote a note");
  return new Response(null, { status: 201 });
}
