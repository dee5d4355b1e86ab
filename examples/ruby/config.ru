# Notes: one customer's notes, in one file of that customer's own directory.
NOTES = File.join(ENV.fetch("DATA_DIR"), "notes.txt")
$stdout.sync = true

run(lambda do |env|
  if env["REQUEST_METHOD"] == "POST"
    File.open(NOTES, "a") do |f|
      f.puts env["rack.input"].read
      f.fsync
    end
    puts "wrote a note"
    next [201, {}, []]
  end
  puts "reading the notes"
  notes = File.exist?(NOTES) ? File.read(NOTES) : ""
  [200, { "content-type" => "text/plain; charset=utf-8" }, ["notes of #{ENV["TENEMENT_ID"]}\n#{notes}"]]
end)
