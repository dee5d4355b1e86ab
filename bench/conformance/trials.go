package main

// topics is everything that a proxy is held to, in the order of the table.
var topics = []topic{
	framing, chunking, host, line, fields, answers, truncation, retries, early, connection, upgrades, deadlines,
}
