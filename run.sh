#!/usr/bin/env bash
# Runs what this project documents: the measured steps, the tests, and demos to show to people.
# It needs bash 3.2 or later (macOS has no newer one) and a JDK, 11 or later. Nothing is built.
set -u
CDPATH='' cd -- "$(dirname -- "$0")" || exit 1

usage() {
    cat <<END
usage: ./run.sh [--port N] [--async-port N]   the documented steps [5050, 5051; 0: any free]
       ./run.sh test [MAVEN ARGUMENT...]      the tests (needs Maven)
       ./run.sh demo                          lists the demos
       ./run.sh demo NAME|all [--step]        runs one or all; --step waits for Enter

The java of JAVA_HOME is used if that is set, otherwise the one on the PATH.
END
}

demo_list() {
    cat <<END
nagle     an echo written in pieces: 44 ms instead of microseconds
warmup    the same run cold and warm: what compiling does to a measurement
wakeup    blocking against polling: what waking a thread costs
threads   threads, virtual threads, event loops: 1 connection and 1000
omission  the server stands still half a second: what a closed loop misses
size      64 B to 1 MiB: overhead for each message gives way to bandwidth
deadlock  why a client must read while it writes
END
}

main() {
    case ${1:-} in
        -h | --help) usage ;;
        test) shift && run_tests "$@" ;;
        demo) shift && run_demos "$@" ;;
        *) documented_steps "$@" ;;
    esac
}

# ---------------------------------------------------------------- the documented steps

documented_steps() {
    local name value threaded_port=5050 async_port=5051 hello
    while [ $# -gt 0 ]; do
        name=${1%%=*} value=${1#*=}
        case $1 in
            --port | --async-port) value=${2:-} && shift $(($# > 1)) ;;
        esac
        shift
        case $name in
            --port) check_port "$name" "$value" && threaded_port=$value ;;
            --async-port) check_port "$name" "$value" && async_port=$value ;;
            *) wrong "unknown argument $name" ;;
        esac
    done
    [ "$threaded_port" -ne "$async_port" ] || [ "$async_port" -eq 0 ] ||
        wrong "two servers cannot share port $async_port"
    prepare
    check_free --port "$threaded_port"
    check_free --async-port "$async_port"

    title '1. the threaded server: 1 KiB, 2000 times'
    one_server EchoServer --port "$threaded_port"
    bench threaded
    stop_shown

    title '2. the asynchronous server: 16 KiB, 1000 times'
    one_server AsyncEchoServer --port "$async_port"
    bench async --size 16k --repeat 1000

    title '3. one message to the asynchronous server'
    client --port "${port[1]}" --message hello-async
    cat "$tmp/out"
    hello=$(found 'RTT *: \([0-9.]*\) ms')
    stop_shown

    beside_published "$hello"
}

# A server, with all that it prints.
one_server() { # CLASS ARGUMENT...
    server "$@"
    listening
    await 1 'loopback only' "$tmp/server1" "${server_pid[1]}"
    sed -n 2p "$tmp/server1"
}

stop_shown() {
    show kill "${server_pid[1]}"
    stop_servers
    sed 1,2d "$tmp/server1"
}

# Measures as documented.
bench() { # NAME ARGUMENT...
    local name=$1
    shift
    set -- --port "${port[1]}" --bench "$@"
    client "$@" --json "results/$name.json" --hgrm "results/$name.hgrm" --plot "results/$name.svg"
    cat "$tmp/out"
    mv "$tmp/out" "$tmp/$name"
}

# shellcheck disable=SC2046 # ours gives three words
beside_published() { # OUR_HELLO_MS
    title 'this machine beside the published figures (milliseconds, MiB/s)'
    row 27 '' 'this machine' published
    row 9 '' average p95 MiB/s average p95 MiB/s
    row 9 'threaded 1024 B x 2000' $(ours threaded) 0.030 0.053 32.34
    row 9 'async 16384 B x 1000' $(ours async) 0.089 0.122 172.61
    row 9 'async hello-async, once' "$1" - - 5.543 - -
    say "What differs: the published procedure had no warm-up; here up to a second of messages went
        first, uncounted (threaded $(warmup threaded), async $(warmup async)). The client of
        hello-async is cold in both. Published: Python 3.11, macOS, Apple M2. Here:
        $(found '\(JDK .* cores\)' "$tmp/threaded"). Throughput is the payload, once, divided by
        2^20, in both (published as MB/s)."
    say 'results/ (ignored by git) now has each run as .json, .hgrm and .svg.'
}

ours() { # NAME
    found 'avg RTT: \([0-9.]*\) ms' "$tmp/$1"
    found 'p95 RTT: \([0-9.]*\) ms' "$tmp/$1"
    found 'throughput: \([0-9.]*\) MiB' "$tmp/$1"
}

warmup() { # NAME
    found 'warm-up: \([0-9]*\) messages not counted' "$tmp/$1"
}

# ---------------------------------------------------------------- the tests

run_tests() {
    local telling='^[^[]|^\[[^I]|Tests run:|BUILD'
    prepare
    command -v mvn >/dev/null || fail 'no mvn on the PATH; install Maven 3.6 or later for the tests'
    show mvn -B -f test/pom.xml test "$@"
    # In the foreground: what a script starts in the background is deaf to Ctrl-C, and the programs
    # under test would be, too. Of Maven's [INFO] lines, those that count tests.
    mvn -B -f test/pom.xml test "$@" | grep -E "$telling"
    return "${PIPESTATUS[0]}"
}

# ---------------------------------------------------------------- the demos

run_demos() {
    local argument names='' name
    for argument in "$@"; do
        case $argument in
            --step) stepping=yes ;;
            all) names=$(demo_list | sed 's/ .*//') ;;
            *)
                demo_list | grep -q "^$argument " || wrong "no demo $argument; try ./run.sh demo"
                names="$names $argument"
                ;;
        esac
    done
    if [ -z "$names" ]; then
        demo_list
        return
    fi
    prepare
    for name in $names; do
        title "$name: $(demo_list | sed -n "s/^$name  *//p")"
        "demo_$name"
        stop_servers
    done
}

demo_nagle() {
    local n avg
    step 'Two servers echo 16 KiB in pieces of 4 KiB; the second leaves Nagle on.'
    server EchoServer --port 0 --bufsize 4k
    server EchoServer --port 0 --bufsize 4k --nagle
    listening
    table average pieces
    for n in 1 2; do
        step "The same messages to server $n, one at a time. Of what the client prints:"
        client --port "${port[n]}" --bench --size 16k --warmup 300ms --repeat 20
        grep -E 'avg RTT|arrived in' "$tmp/out"
        avg[n]=$(found 'avg RTT: \([0-9.]*\) ms')
        add_row "server $n${server_name[n]#*4k}" "${avg[n]} ms" "$(found 'arrived in \([0-9.]*\)')"
    done
    conclude "${avg[2]} > 10 && ${avg[2]} > 5 * ${avg[1]}" \
        "With --nagle a round trip took $(calc %.0f "${avg[2]} / ${avg[1]}") times as long. The
        server's system held the second piece until the first was acknowledged (RFC 896), and the
        client's delays that: $(calc %.1f "${avg[2]} - ${avg[1]}") ms of waiting." \
        "${avg[2]} ms with --nagle, ${avg[1]} ms without. About 40 ms were to be expected: so long
        some systems delay acknowledging a piece; others don't."
}

demo_warmup() {
    step 'A new server, and a client that counts from its very first message.'
    server EchoServer --port 0
    listening
    table rtt_us.p50 rtt_us.p99 rtt_us.max
    measure 'cold (--warmup 0)' 1 --warmup 0 --repeat 300 --plot results/cold.svg
    step 'The same with the default warm-up: sent and timed first, but not counted.'
    measure 'warm (default)' 1 --repeat 300 --plot results/warm.svg
    conclude "${first[1]} > 1.2 * ${first[2]}" \
        "Cold, the median is $(calc %.1f "${first[1]} / ${first[2]}") times the warm one: code runs
        slowly until it is compiled. The second client's first message took
        $(us "$(field warmup.first_us)"), but it and $(field warmup.messages) in all were not
        counted. See results/cold.svg and results/warm.svg." \
        "the median is $(us "${first[1]}") cold, $(us "${first[2]}") warm. Something else took more
        time than code not yet compiled. See results/cold.svg and results/warm.svg."
}

demo_wakeup() {
    local cores
    cores=$(getconf _NPROCESSORS_ONLN)
    if [ "$cores" -lt 2 ]; then
        say 'This cannot be shown on one core: while one end polls, the other cannot run.'
        return
    fi
    step 'Two servers: one sleeps in read until the system wakes it, one polls.'
    server EchoServer --port 0
    server EchoServer --port 0 --spin
    listening
    step 'First both ends block, then both poll.'
    table rtt_us.p50 rtt_us.p99 messages_s
    measure 'blocking' 1 --warmup 400ms --duration 400ms
    measure 'polling (--spin)' 2 --warmup 400ms --duration 400ms --spin
    conclude "${first[1]} > 1.1 * ${first[2]}" \
        "Polling saves $(us "${first[1]} - ${first[2]}") of $(us "${first[1]}") (p50). A round trip
        wakes two threads, one at each end: about $(us "(${first[1]} - ${first[2]}) / 2") for each.
        The price: two of the $cores cores do nothing but ask." \
        "p50 is $(us "${first[1]}") blocking, $(us "${first[2]}") polling. It pays only while each
        end has a core to itself; there are $cores, and whatever else runs needs one as well."
}

demo_threads() {
    local many=1000 limit n count best=1
    limit=$(ulimit -Hn) # Java raises the soft limit to the hard one by itself
    if [ "$limit" != unlimited ] && [ "$limit" -lt 1200 ]; then
        many=$((limit / 2))
        say "Only $many connections: no more than $limit files may be open (ulimit -Hn)."
    fi
    [ "$release" -ge 21 ] || say "No virtual threads: they need JDK 21 or later, this is $release."
    step 'A thread for each connection; a virtual thread for each; event loops for all.'
    server EchoServer --port 0
    [ "$release" -lt 21 ] || server EchoServer --port 0 --virtual
    server AsyncEchoServer --port 0
    listening
    table messages_s rtt_us.p50 rtt_us.p99
    for count in 1 "$many"; do
        step "Connections: $count"
        for ((n = 1; n <= servers; n++)); do
            measure "$count: ${server_name[n]}" "$n" --parallel "$count" --warmup 300ms \
                --duration 400ms
        done
    done
    # The rows of 1 connection come first, then those of many, in the same order.
    for ((n = 2; n <= servers; n++)); do
        if is "${first[servers + n]} > ${first[servers + best]}"; then best=$n; fi
    done
    n=$((servers + best))
    conclude "${first[n]} > ${first[best]}" \
        "With $many connections, ${server_name[best]} does most, $(calc %.0f "${first[n]}") a
        second, $(calc %.1f "${first[n]} / ${first[best]}") times what it does with one: while one
        message is under way, another is worked on. Then all wait in line for a core." \
        "no more gets done with $many connections than with one: ${server_name[best]} does most,
        $(calc %.0f "${first[n]}") a second, and $(calc %.0f "${first[best]}") with one. What
        grows is how long each waits until it is its turn."
}

demo_omission() {
    local closed open
    step 'Two clients at once: one sends when the last echo is back, one on a schedule.'
    server EchoServer --port 0 --verbose
    listening
    set -- --port "${port[1]}" --bench --warmup 300ms --duration 2s --json -
    show java EchoClient.java "$@" '&'
    begin java EchoClient.java "$@" >"$tmp/closed"
    closed=$pid
    show java EchoClient.java "$@" --rate 1000 '&'
    begin java EchoClient.java "$@" --rate 1000 >"$tmp/open"
    open=$pid
    await 2 ' connected' "$tmp/server1" "$open"
    # No step here: the clients don't wait for Enter.
    printf '\n# Both are connected. In the middle of their runs the server stands still.\n'
    show "sleep 0.8; kill -STOP ${server_pid[1]}; sleep 0.5; kill -CONT ${server_pid[1]}"
    sleep 0.8
    kill -STOP "${server_pid[1]}"
    sleep 0.5
    kill -CONT "${server_pid[1]}"
    { finish "$closed" && finish "$open"; } || exit 1
    table rtt_us.p99 rtt_us.p99_9 rtt_us.max messages
    mv "$tmp/closed" "$tmp/out" && result 'as echoes return'
    mv "$tmp/open" "$tmp/out" && result '--rate, from when due'
    columns='service_us.p99 service_us.p99_9 service_us.max messages'
    result '--rate, from when sent'
    conclude "$(field service_us.max) > 400000 && ${first[2]} > 5 * ${first[1]}" \
        "Half a second without an echo, but p99 is $(us "${first[1]}") where the client sends as
        echoes return: it stopped sending, so one message met the pause. On a schedule about 500
        were due meanwhile, and they count from then: p99 is $(us "${first[2]}")." \
        "p99 is $(us "${first[1]}") as echoes return, $(us "${first[2]}") on a schedule. Either the
        pause missed the runs, or the machine is too busy to tell them apart."
}

demo_size() {
    local size warm=1s small medium large
    step 'One server, and messages of three sizes, one at a time.'
    server EchoServer --port 0
    listening
    table rtt_us.p50 throughput_mib_s
    for size in 64 16k 1m; do
        measure "$size" 1 --size "$size" --warmup "$warm" --duration 400ms
        warm=300ms # from now on the server is warm
    done
    small=${first[1]} medium=${first[2]} large=${first[3]}
    conclude "$medium > 0.8 * $small && $medium < 5 * $small && $large > 8 * $medium" \
        "From 64 B to 16 KiB, 256 times the bytes took $(calc %.1f "$medium / $small") times as
        long: overhead, $(us "$small") a message. From 16 KiB to 1 MiB, 64 times the bytes took
        $(calc %.0f "$large / $medium") times as long: bandwidth. Both weigh the same near
        $(calc %.0f "$small * (1024 - 16) / ($large - $medium)") KiB." \
        "16 KiB took $(calc %.1f "$medium / $small") times as long as 64 B (about 1 was expected),
        1 MiB $(calc %.1f "$large / $medium") times as long as 16 KiB (more than 8 was)."
}

# The audience is shown this function as it stands here.
naive() { # PORT COUNT
    local kib64 i
    kib64=$(printf '%065536d' 0)
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    for ((i = 1; i <= $2; i++)); do # write everything,
        printf '%s' "$kib64" >&3
        echo "wrote $((i * 64)) KiB"
    done
    # and only then read
    echo "read $(head -c $(($2 * 65536)) <&3 | wc -c) bytes"
}

demo_deadlock() {
    local sender wrote outcome='no hang'
    step 'A sender that writes everything before it reads anything:'
    sed -n '/^naive() {/,/^}/p' run.sh
    server EchoServer --port 0
    listening
    if ! can_connect "${port[1]}"; then
        say 'This bash cannot run it: it was built without /dev/tcp.'
        return
    fi
    step '64 KiB come back. Then 64 MiB; meanwhile EchoClient sends as much.'
    show naive "${port[1]}" 1
    begin naive "${port[1]}" 1 >"$tmp/small"
    await 1 read "$tmp/small" "$pid"
    cat "$tmp/small"
    show naive "${port[1]}" 1024 '&'
    begin naive "${port[1]}" 1024 >"$tmp/large"
    sender=$pid
    client --port "${port[1]}" --size 64m --json -
    if kill -0 "$sender" 2>/dev/null; then outcome=hangs; fi
    stop "$sender" KILL # in the middle of a write bash heeds no other
    wrote=$(tail -n 1 "$tmp/large")
    table rtt_us.max
    result 'EchoClient, 64 MiB'
    add_row 'naive, 64 MiB' "$outcome"
    conclude "\"$outcome\" == \"hangs\"" \
        "The naive sender $wrote of 65536 and hangs: the server cannot write to one who does not
        read, so it reads no more either, and all buffers between them are full. EchoClient reads
        while it writes, and was done in $(us "${first[1]}")." \
        "the naive sender $wrote. The socket buffers of this system hold so much; with more to
        send, it would hang all the same."
}

# ---------------------------------------------------------------- processes

# Is there a JDK? And however this ends, what it started is stopped.
prepare() {
    local install='install a JDK, version 11 or later'
    if [ -n "${JAVA_HOME:-}" ]; then
        [ -x "$JAVA_HOME/bin/java" ] || fail "no bin/java in JAVA_HOME ($JAVA_HOME); $install"
        PATH=$(cd "$JAVA_HOME/bin" && pwd):$PATH
    fi
    command -v java >/dev/null || fail "no java on the PATH; $install"
    release=$(java -version 2>&1 | sed -n 's/.*version "\(1\.\)*\([0-9]*\).*/\2/p')
    [ "${release:-0}" -ge 11 ] || fail "this java is version ${release:-unknown}; $install"
    java --describe-module jdk.compiler >/dev/null 2>&1 ||
        fail "this java $release has no compiler, to run a source file; $install"
    mkdir -p results || fail 'cannot make the folder results/'
    tmp=$(mktemp -d) || fail 'cannot make a temporary folder'
    running=' '
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

clean_up() {
    local process
    trap '' INT TERM HUP
    for process in $running; do
        stop "$process"
    done
    rm -rf "$tmp"
}

# Starts a program in the background, so that a signal finds this script waiting, not deaf.
begin() { # COMMAND...
    "$@" &
    pid=$!
    running="$running$pid "
}

# Waits until a process has ended, and gives its exit status.
finish() { # PID
    local status=0
    wait "$1" 2>/dev/null || status=$?
    running=${running/ $1 / }
    return "$status"
}

# TERM, because what a script starts in the background ignores Ctrl-C; CONT, if it is paused.
stop() { # PID [SIGNAL]
    local tries=0
    {
        kill "-${2:-TERM}" "$1"
        kill -CONT "$1"
        while kill -0 "$1" && [ $((tries += 1)) -lt 100 ]; do sleep 0.05; done
        kill -KILL "$1"
        finish "$1" || :
    } 2>/dev/null # bash tells of processes that were killed, at the next command
}

# Waits until a file has so many lines like that, as long as the process lives.
await() { # COUNT PATTERN FILE PID
    local deadline=$((SECONDS + 60)) alive=yes
    until [ "$(grep -c "$2" "$3")" -ge "$1" ]; do
        if [ "$alive" = no ]; then
            cat "$3" >&2
            fail "the program ended before it said '$2'"
        fi
        [ "$SECONDS" -lt "$deadline" ] || fail "the program did not say '$2' within a minute"
        kill -0 "$4" 2>/dev/null || alive=no # it may have said so just before
        sleep 0.05
    done
}

# Starts a server. listening waits for all that were started: number 1 is on ${port[1]}.
server() { # CLASS ARGUMENT...
    servers=$((servers + 1))
    server_name[servers]="$*"
    server_name[servers]=${server_name[servers]/ --port 0/}
    show java "$1.java" "${@:2}" '&'
    begin java "$1.java" "${@:2}" >"$tmp/server$servers" 2>&1
    server_pid[servers]=$pid
}

listening() {
    local n
    for ((n = 1; n <= servers; n++)); do
        await 1 'listening on' "$tmp/server$n" "${server_pid[n]}"
        grep 'listening on' "$tmp/server$n"
        port[n]=$(found 'listening on .*:\([0-9]*\)' "$tmp/server$n")
    done
}

stop_servers() {
    for ((; servers > 0; servers--)); do
        stop "${server_pid[servers]}"
    done
}

# Runs a client; $tmp/out has what it printed.
client() { # ARGUMENT...
    show java EchoClient.java "$@"
    run_client "$@"
}

run_client() { # ARGUMENT...
    begin java EchoClient.java "$@" >"$tmp/out"
    finish "$pid" || exit 1 # it has said why
}

# Whether anyone listens there. The connection is closed at once.
can_connect() { # PORT
    (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

check_free() { # OPTION PORT
    [ "$2" -eq 0 ] || ! can_connect "$2" ||
        fail "port $2 is taken; stop what listens there, or choose another: ./run.sh $1 N"
}

check_port() { # OPTION VALUE
    case $2 in
        '' | *[!0-9]* | ??????*) ;;
        *) [ "$2" -gt 65535 ] || return 0 ;;
    esac
    wrong "$1 takes a number from 0 to 65535, not ${2:-nothing}"
}

# ---------------------------------------------------------------- figures

# What the group in a pattern stands for, in the last client's text or another file.
found() { # PATTERN [FILE]
    sed -n "s/.*$1.*/\1/p" "${2:-$tmp/out}"
}

# A value of the last client's JSON, such as messages or rtt_us.p99.
field() { # NAME
    case $1 in
        *.*) sed "s/.*\"${1%.*}\": {\([^}]*\)}.*/\1/" "$tmp/out" ;;
        *) sed 's/: {[^}]*}/: 0/g' "$tmp/out" ;;
    esac | sed -n "s/.*\"${1#*.}\": \([^,}]*\).*/\1/p"
}

# awk counts with fractions; without LC_ALL it may print a comma.
calc() { # FORMAT EXPRESSION
    LC_ALL=C awk "BEGIN { printf \"$1\", $2 }"
}

is() { # CONDITION
    LC_ALL=C awk "BEGIN { exit !($1) }"
}

# Microseconds in a fitting unit.
us() { # EXPRESSION
    calc '%.1f %s' "(t = $1) < 1000 ? t : t / 1000, t < 1000 ? \"us\" : \"ms\""
}

# Begins a table, with a column for each of these fields of the JSON, or any other headings.
table() { # FIELD...
    columns=$*
    rows=0
    # shellcheck disable=SC2046 # a word for each column
    row 12 '' $(echo "$@" | sed -e 's/[a-z]*_us\.//g' -e 's/p99_9/p99.9/' \
        -e 's/messages_s/messages\/s/' -e 's/throughput_mib_s/MiB\/s/') >"$tmp/table"
}

# Adds a row with the last client's values; ${first[1]} is the first value of the first row.
result() { # NAME
    local name value
    set -- "$1"
    for name in $columns; do
        value=$(field "$name")
        [ $# -gt 1 ] || first[rows + 1]=$value
        case $name in
            *_us*) value=$(us "$value") ;;
            *) value=$(calc %.0f "$value") ;;
        esac
        set -- "$@" "$value"
    done
    add_row "$@"
}

add_row() { # NAME VALUE...
    rows=$((rows + 1))
    row 12 "$@" >>"$tmp/table"
}

# Runs a client against a server, and adds its row.
measure() { # NAME SERVER ARGUMENT...
    client --port "${port[$2]}" --bench "${@:3}" --json -
    result "$1"
}

# Shows the table and says what was seen, or that it was not.
conclude() { # CONDITION SEEN UNSEEN
    step 'Side by side:'
    cat "$tmp/table"
    if is "$1"; then say "$2"; else say "Not seen in this run: $3"; fi
}

row() { # WIDTH NAME VALUE...
    printf '%-26s' "$2"
    printf "%${1}s" "${@:3}"
    printf '\n'
}

# ---------------------------------------------------------------- on the screen

title() { # TEXT
    printf '\n== %s\n' "$1"
}

# Says what comes next; with --step it comes when Enter is pressed.
step() { # TEXT
    printf '\n# %s\n' "$1"
    if [ "$stepping" = yes ]; then
        printf '  [Enter] '
        read -r _ || stepping=no
    fi
}

say() { # TEXT
    printf '\n'
    # shellcheck disable=SC2086 # a text may go over several lines, and is broken anew
    echo $1 | fold -s -w 79 | sed 's/ $//'
}

# Shows a command as one would type it, on lines of at most 80 columns, broken before options.
show() { # WORD...
    local word part='' line='$'
    for word in "$@" --; do
        case $word in
            --*)
                if [ $((${#line} + ${#part})) -gt 77 ]; then
                    printf '%s \\\n' "$line"
                    line='   '
                fi
                line=$line$part part=
                ;;
        esac
        part="$part $word"
    done
    printf '%s\n' "$line"
}

fail() { # MESSAGE
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

wrong() { # MESSAGE
    printf 'run.sh: %s\nrun.sh: see ./run.sh --help\n' "$*" >&2
    exit 2
}

stepping=no
servers=0
main "$@"
