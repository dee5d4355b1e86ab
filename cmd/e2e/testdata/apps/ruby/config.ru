# Notes, under puma: one customer's notes in one file of that customer's own directory.
require "etc"
require "json"
require "openssl"
require "tempfile"

NOTES = File.join(ENV.fetch("DATA_DIR"), "notes.txt")

CHECKS = {
  threads: -> { raise "threads" unless 20.times.map { |n| Thread.new { n * n } }.sum(&:value) == 2470 },
  children: -> { 10.times { raise "children" unless `echo $((6*7))` == "42\n" } },
  fork: -> { raise "fork" unless Process.wait2(fork { exit! 3 })[1].exitstatus == 3 },
  files: -> { Tempfile.create("x") { |f| f.write(Random.urandom(100_000)) } },
  the_world: -> {
    raise "nobody" unless Etc.getpwuid(Process.uid)
    raise "no TLS roots" unless File.exist?(OpenSSL::X509::DEFAULT_CERT_FILE) || !Dir.empty?(OpenSSL::X509::DEFAULT_CERT_DIR)
  },
}.freeze

def run_checks
  failures = CHECKS.filter_map do |name, check|
    check.call
    nil
  rescue StandardError => e
    [name, e.inspect]
  end
  { ran: CHECKS.size, failures: failures.to_h }
end

run lambda { |env|
  if env["PATH_INFO"] == "/checks"
    [200, {}, [JSON.generate(run_checks)]]
  elsif env["REQUEST_METHOD"] == "POST"
    File.open(NOTES, "a") { |f| f.puts(env["rack.input"].read) }
    puts "wrote a note"
    [201, {}, []]
  else
    puts "reading the notes"
    [200, { "content-type" => "text/plain" }, ["notes of #{ENV.fetch('TENEMENT_ID')}\n#{File.exist?(NOTES) ? File.read(NOTES) : ''}"]]
  end
}
