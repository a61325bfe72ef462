#!/bin/sh
# The shop's page: counts visits in the database, and takes its greeting from the cache while that has it.
ask() {
    echo "$2" | nc -w 2 "${1%:*}" "${1#*:}"
}

printf 'Content-Type: text/plain\r\n\r\n'
visit=$(ask "$DATABASE" "INCR visits")
source=cache
greeting=$(ask "$CACHE" "GET greeting")
if [ "$greeting" = NONE ] || [ -z "$greeting" ]; then
    source=database
    greeting=$(ask "$DATABASE" "GET greeting")
    if [ "$greeting" = NONE ]; then
        greeting="Welcome to the shop"
        ask "$DATABASE" "SET greeting $greeting" >/dev/null
    fi
    ask "$CACHE" "SET greeting $greeting" >/dev/null
fi
echo "$greeting: visit ${visit:-?}, from the $source"
