run ->(_) { [200, { "Content-Type" => "text/plain", "Content-Length" => "2" }, ["ok"]] }
