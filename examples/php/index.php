<?php
// Notes: one customer's notes, in one file of that customer's own directory.
$notes = getenv('DATA_DIR') . '/notes.txt';

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    file_put_contents($notes, file_get_contents('php://input') . "\n", FILE_APPEND | LOCK_EX);
    error_log('wrote a note');
    http_response_code(201);
    return;
}
error_log('reading the notes');
header('Content-Type: text/plain; charset=utf-8');
echo 'notes of ', getenv('TENEMENT_ID'), "\n", is_file($notes) ? file_get_contents($notes) : '';
