<?php header("Content-Type: text/plain"); header("Content-Length: 2"); echo "ok";
