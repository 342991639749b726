#!/usr/bin/env bash
# Runs what this project documents: the measured steps, the tests, and demos to show to people.
# It needs bash 3.2 or later (macOS has no newer one) and a JDK, 11 or later. Nothing is built.
# shellcheck disable=SC2016,SC2046,SC2086 # no quotes, or single ones, are meant
set -uf # -f: and a * among them stays a *

demos='nagle     an echo written in pieces: 44 ms instead of microseconds
warmup    the same run cold and warm: what compiling does to a measurement
wakeup    blocking against polling: what waking a thread costs
threads   threads, virtual threads, event loops: 1 connection and 1000
omission  the server stands still half a second: what a closed loop misses
size      64 B to 1 MiB: what a message costs, and what its bytes do
deadlock  why a client must read while it writes'

usage() {
    cat <<END
usage: ./run.sh [--port N] [--async-port N]   the documented steps [5050, 5051]
       ./run.sh compare FILE...               results of --json side by side
       ./run.sh test [MAVEN ARGUMENT...]      the tests (needs Maven)
       ./run.sh demo [NAME...|all] [--step]   demos; --step waits for Enter

Port 0 is any free one. java is that of JAVA_HOME, or else on the PATH. Demos:

$demos
END
}

main() {
    case ${1:-} in
        -h | --help) usage ;;
        compare | test | demo) "run_$1" "${@:2}" ;;
        *) documented_steps "$@" ;;
    esac
}

# ---------------------------------------------------------------- the documented steps

documented_steps() {
    local threaded=5050 async=5051 hello
    set -- $(echo "$*" | tr '=' ' ') # --port=6000 becomes two words
    while [ $# -gt 0 ]; do
        case $1 in
            --port) threaded=${2:-} ;; # whether it is a port is for the server to say
            --async-port) async=${2:-} ;;
            *) fail "unknown argument $1; see ./run.sh --help" 2 ;;
        esac
        shift $(($# > 1 ? 2 : 1))
    done
    prepare_java

    title '1. two servers: a thread for each connection, and event loops'
    servers "EchoServer --port $threaded" "AsyncEchoServer --port $async"
    title '2. the threaded server: 1 KiB, 2000 times; a second of warming up first'
    client --port "${port[1]}" --bench \
        --json results/threaded.json --hgrm results/threaded.hgrm --plot results/threaded.svg
    title '3. the asynchronous server: 16 KiB, 1000 times'
    client --port "${port[2]}" --bench --size 16k --repeat 1000 \
        --json results/async.json --hgrm results/async.hgrm --plot results/async.svg
    title '4. one message to the asynchronous server'
    client --port "${port[2]}" --message hello-async
    hello=$(sed -n 's/.*RTT *: \([0-9.]*\) ms/\1/p' "$tmp/out")
    title '5. both runs side by side'
    show ./run.sh compare results/threaded.json results/async.json
    run_compare results/threaded.json results/async.json
    beside_published "$hello"
}

beside_published() { # OUR_HELLO_MS
    title 'this machine beside the published figures (milliseconds, MiB/s)'
    row 27 '' 'this machine' published
    row 9 '' average p95 MiB/s average p95 MiB/s
    row 9 'threaded 1024 B x 2000' $(ours 1) 0.030 0.053 32.34
    row 9 'async 16384 B x 1000' $(ours 2) 0.089 0.122 172.61
    row 9 'async hello-async, once' "$1" - - 5.543 - -
    say "The published procedure had no warm-up; here {warmup.messages[1]} and {warmup.messages[2]}
        messages went first, uncounted. The client of hello-async is cold in both. Published: Python
        3.11, macOS, Apple M2. Here: JDK $release, $(uname -sm), {environment.cores[1]} cores. A MiB
        is 2^20 bytes of payload, counted once, in both (published as MB)."
}

ours() { # RESULT
    compute "sprintf(\"%.3f %.3f %.2f\", mean[$1] / 1000, p95[$1] / 1000, throughput_mib_s[$1])"
}

run_compare() { # FILE...
    local name file
    [ $# -gt 0 ] || fail 'usage: ./run.sh compare FILE... (results of --json)' 2
    [ -n "${tmp:-}" ] || prepare
    for file in "$@"; do
        result "[$((results + 1))]" "$file"
        printf '%s %s\n' "${label[results]}" "$file" | fold -w 80
        for name in message_bytes connections; do
            is "${name}[$results] == ${name}[1]" || printf '    not the same %s as [1]\n' "$name"
        done
    done
    set -- message_bytes connections messages messages_s throughput_mib_s \
        mean p50 p90 p95 p99 p99_9 max
    if grep -q service_us "$tmp/results"; then
        set -- "$@" service_us.{mean,p50,p90,p95,p99,p99_9,max}
    fi
    table "$@"
}

run_test() {
    local telling='^[^[]|^\[[^I]|Tests run:|BUILD'
    prepare_java
    command -v mvn >/dev/null || fail 'no mvn on the PATH; install Maven 3.6 or later for the tests'
    show mvn -B -f test/pom.xml test "$@"
    # In the foreground: what a script starts in the background is deaf to Ctrl-C, and the programs
    # under test would be, too. Of Maven's [INFO] lines, those that count tests.
    mvn -B -f test/pom.xml test "$@" | grep -E "$telling"
    return "${PIPESTATUS[0]}"
}

# ---------------------------------------------------------------- the demos

run_demo() {
    local name names=''
    for name in "$@"; do
        case $name in
            --step) stepping=yes ;;
            all) names=$(cut -d " " -f 1 <<<"$demos") ;;
            *) names="$names $name" ;;
        esac
    done
    for name in $names; do
        declare -F "demo_$name" >/dev/null || fail "no demo $name; try ./run.sh demo" 2
    done
    [ -n "$names" ] || { echo "$demos" && return; }
    prepare_java
    for name in $names; do
        title "$name: $(echo "$demos" | sed -n "s/^$name  *//p")"
        "demo_$name"
        stop_all
    done
}

demo_nagle() {
    servers 'EchoServer --bufsize 4k' 'EchoServer --bufsize 4k --nagle'
    measure 'without --nagle' 1 --size 16k --warmup 300ms --repeat 20
    measure 'with --nagle' 2 --size 16k --warmup 300ms --repeat 20
    table mean max reads_mean
    claim 'mean[2] > 10000 && mean[2] > 5 * mean[1]' \
        "With --nagle a round trip took {three(mean[2] / mean[1])} times as long. The server's
        system held the second piece until the first was acknowledged (RFC 896), and the client's
        delays that: {us(mean[2] - mean[1])} of waiting."
    say "The 4 pieces took {three(reads_mean[1])} and {three(reads_mean[2])} reads: TCP is a stream,
        and one read takes all that has come."
}

demo_warmup() {
    on_core last # both: moving between cores would matter more than what is compared
    servers EchoServer
    measure 'cold' 1 --warmup 0 --repeat 300 --plot results/cold.svg
    measure 'warm' 1 --repeat 300 --plot results/warm.svg
    table p50 p90 p99
    claim 'p50[1] > p50[2] && p90[1] > 1.5 * p90[2] && p99[1] > 1.5 * p99[2]' \
        "Code runs slowly until it is compiled: cold, p90 is {three(p90[1] / p90[2])} times
        the warm one. The second client's first message took {us(warmup.first_us[2])}, too, but
        {warmup.messages[2]} went ahead of those that count. See results/cold.svg and warm.svg."
}

demo_wakeup() {
    if [ "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)" -lt 2 ]; then
        say 'This cannot be shown on one core: while one end polls, the other cannot run.' && return
    fi
    on_core first # and the client on another, so that it is always another that is woken
    servers EchoServer 'EchoServer --spin'
    on_core last
    measure 'blocking' 1 --duration 400ms
    measure '--spin' 2 --duration 400ms --spin
    table p50 p99 messages_s
    claim 'p50[1] > 1.1 * p50[2] && p99[1] > p99[2] && messages_s[2] > 1.1 * messages_s[1]' \
        "Polling saves {us(p50[1] - p50[2])} of {us(p50[1])} (p50). A round trip wakes two threads,
        one at each end: about {us((p50[1] - p50[2]) / 2)} for each. The price: two
        cores that do nothing but ask." \
        "polling took {us(p50[2])} where blocking took {us(p50[1])} (p50), at p99 {us(p99[2])}
        against {us(p99[1])}, and moved {three(messages_s[2])} messages a second against
        {three(messages_s[1])}. It pays only while each end has a core to itself."
}

demo_threads() {
    local many=1000 limit count kinds kind n
    limit=$(ulimit -Hn) # Java raises the soft limit to the hard one by itself
    if [ "$limit" -lt 1200 ] 2>/dev/null; then # it may be "unlimited"
        many=$((limit / 2))
        say "Only $many connections: no more than $limit files may be open (ulimit -Hn)."
    fi
    kinds=(EchoServer 'EchoServer --virtual' AsyncEchoServer)
    if [ "$release" -lt 21 ]; then
        say "No virtual threads: they need JDK 21 or later, this is $release."
        unset 'kinds[1]'
    fi
    servers "${kinds[@]}"
    for count in 1 "$many"; do
        results=0
        for kind in "${kinds[@]}"; do
            measure "${kind#* }" $((results + 1)) --parallel "$count" --warmup 300ms \
                --duration 400ms
        done
        table messages_s p50 p99
    done
    # By Little's law the mean wait is the connections, divided by the messages a second.
    for ((n = 1; n <= results; n++)); do
        say "${label[n]}, $many connections: half of the echoes took at most {us(p50[$n])}, one in
            a hundred {us(p99[$n])} or longer.
            {p50[$n] > 0.5 * 1000000 * $many / messages_s[$n] ? \"All wait in line.\" :
             p99[$n] > 10 * p50[$n] ? \"A few are served at once while the rest wait.\" : \"\"}"
    done
}

demo_omission() {
    local closed pause
    servers 'EchoServer --verbose'
    step 'Some seconds: one client sends as echoes return, the other on a schedule.'
    set -- java EchoClient.java --port "${port[1]}" --bench --warmup 300ms --duration 2s --json -
    launch "$tmp/closed" '&' "$@"
    closed=$pid
    launch "$tmp/open" '&' "$@" --rate 1000
    await 2 ' connected' "$tmp/errors" "$pid"
    # No step here: the clients don't wait for Enter.
    printf '\n# Both are connected. In the middle of their runs the server stands still.\n'
    pause="sleep 0.8; kill -STOP ${server[1]}; sleep 0.5; kill -CONT ${server[1]}"
    show "$pause"
    eval "$pause"
    finish "$pid"
    finish "$closed"
    result 'as echoes return' "$tmp/closed"
    result 'from when due' "$tmp/open"
    sed -e 's/"rtt_us"/"due_us"/' -e 's/"service_us"/"rtt_us"/' "$tmp/open" >"$tmp/sent"
    result 'from when sent' "$tmp/sent"
    table p99 p99_9 max messages
    claim 'max[1] > 400000 && max[3] > 400000 && p99[2] > 5 * p99[1]' \
        "For {us(max[3])} no echo came, but p99 is {us(p99[1])} where the client sends as echoes
        return: it stopped sending, so one message met the pause. On a schedule about
        {int(max[3] / 1000)} were due meanwhile, and count from then: p99 is {us(p99[2])}."
}

demo_size() {
    on_core last # both: moving between cores would matter more than what is compared
    servers EchoServer
    measure '64 B' 1 --size 64 --duration 400ms
    measure '16 KiB' 1 --size 16k --warmup 300ms --duration 400ms
    measure '1 MiB' 1 --size 1m --warmup 300ms --duration 400ms
    table p50 throughput_mib_s
    claim 'p50[2] < 5 * p50[1] && p50[3] > 8 * p50[2]' \
        "From 64 B to 16 KiB, 256 times the bytes took {three(p50[2] / p50[1])} times as long:
        overhead, {us(p50[1])} a message. From 16 KiB to 1 MiB, 64 times the bytes took
        {three(p50[3] / p50[2])} times as long: now it is the bytes that cost."
}

# The audience is shown this function as it stands here.
naive() { # PORT KIB
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    for ((kib = 64; kib <= $2; kib += 64)); do
        head -c 65536 /dev/zero >&3 # write everything,
        echo "wrote $kib KiB"
    done
    head -c "$(($2 * 1024))" <&3 | wc -c # and only then read
}

demo_deadlock() {
    local sender count='' before=none
    servers EchoServer
    step 'A sender that writes everything before it reads anything:'
    sed -n '/^naive() {/,/^}/p' run.sh
    launch "$tmp/naive" '&' naive "${port[1]}" 65536
    sender=$pid
    step 'How far is it? Its last line, each second, until that stands still:'
    until [ "$count" = "$before" ]; do
        sleep 1
        before=$count count=$(tail -n 1 "$tmp/naive")
        echo "$count"
    done
    measure 'EchoClient' 1 --size 64m --warmup 0 --repeat 1
    kill -0 "$sender" 2>/dev/null
    claim "$? == 0" \
        "The naive sender $count of 65536 and hangs: the server cannot write to one who does not
        read, so it reads no more either, and all buffers between them are full. EchoClient reads
        while it writes: it sent and received 64 MiB in {us(max[1])}."
}

# ---------------------------------------------------------------- processes

# However this ends, what it started is stopped.
prepare() {
    tmp=$(mktemp -d) || fail 'cannot make a temporary folder'
    : >"$tmp/results"
    trap 'trap "" INT TERM HUP; stop_all; rm -rf "$tmp"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

prepare_java() {
    cd -- "$(dirname -- "$0")" && mkdir -p results || exit 1 # either has said why
    [ -z "${JAVA_HOME:-}" ] || [ -x "$JAVA_HOME/bin/java" ] || fail "no java in $JAVA_HOME/bin"
    PATH=${JAVA_HOME:+$JAVA_HOME/bin:}$PATH
    release=$(java -version 2>&1 | sed -n 's/.*version "\(1\.\)*\([0-9]*\).*/\2/p')
    [ "${release:-0}" -ge 11 ] || fail "no JDK from version 11 on: java is ${release:-not there}"
    java --describe-module jdk.compiler >/dev/null 2>&1 || fail 'this java is no JDK: no compiler'
    prepare
}

# Waits until a process has ended. If it failed, so does all this.
finish() { # PID
    wait "$1" && return
    set -- $?
    cat "$tmp/errors" >&2
    exit "$1"
}

# TERM, because what a script starts in the background ignores Ctrl-C; CONT, if it is paused.
stop_all() {
    local tries=0
    kill $(jobs -p)
    kill -CONT $(jobs -p)
    while [ -n "$(jobs -pr)" ] && [ $((tries += 1)) -lt 100 ]; do sleep 0.05; done
    kill -KILL $(jobs -p)
    wait
    servers=0 results=0 label=() pin=''
} 2>/dev/null

# Waits until a file has so many lines like that. If the process ends before, it has failed.
await() { # COUNT PATTERN FILE PID
    until [ "$(grep -c "$2" "$3")" -ge "$1" ]; do
        kill -0 "$4" 2>/dev/null || finish "$4"
        sleep 0.05
    done
}

# Programs run on one core from now on, the first or last that is ours, where taskset can do that.
on_core() { # first|last
    pin=$(taskset -cp $$ 2>/dev/null | sed 's/.*: *//') # such as 0-3,6
    if [ "$1" = first ]; then pin=${pin%%[-,]*}; else pin=${pin##*[-,]}; fi
    pin="taskset -c $pin"
    $pin true 2>/dev/null || pin=''
}

# Shows a command, and starts it in the background, where a signal finds this script waiting.
launch() { # OUTPUT &|'' COMMAND...
    set -- "$1" "$2" $pin "${@:3}"
    show "${@:3}" "$2"
    : >"$1" # at once: await must not find what an earlier program printed
    "${@:3}" >"$1" 2>>"$tmp/errors" &
    pid=$!
}

# Starts servers, on any free port if none is given, and waits for them: ${port[1]} and so on.
servers() { # 'CLASS ARGUMENT...'...
    local words n
    step 'Each start takes a second or two, because java compiles the source first.'
    for words in "$@"; do
        case $words in *--port*) ;; *) words="$words --port 0" ;; esac
            launch "$tmp/server$((servers += 1))" '&' java ${words/ /.java }
        server[servers]=$pid
    done
    for ((n = 1; n <= servers; n++)); do
        await 1 'listening on' "$tmp/server$n" "${server[n]}"
        grep 'listening on' "$tmp/server$n"
        port[n]=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$tmp/server$n")
    done
}

# Runs a client, and shows what it prints.
client() { # ARGUMENT...
    launch "$tmp/out" '' java EchoClient.java "$@"
    finish "$pid"
    cat "$tmp/out"
}

# Runs a client against a server; what it found is the next result.
measure() { # LABEL SERVER ARGUMENT...
    step "$1: this takes some seconds."
    launch "$tmp/out" '' java EchoClient.java --port "${port[$2]}" --bench "${@:3}" --json -
    finish "$pid"
    result "$1" "$tmp/out"
}

# ---------------------------------------------------------------- figures

# Reads a result into $tmp/results, a line for each value: "2 p99 28.131", "2 warmup.messages 0".
result() { # LABEL JSON_FILE
    [ -e "$2" ] || fail "$2: no such file" 2
    [ -f "$2" ] || fail "$2: not a regular file" 2
    [ -r "$2" ] || fail "$2: not readable" 2
    [ "$results" -gt 0 ] || : >"$tmp/results"
    results=$((results + 1)) label[results]=$1
    head -c 100000 <"$2" | LC_ALL=C tr -d '\000\n' | LC_ALL=C tr ',' '\n' |
        LC_ALL=C awk -F '[":{} ]+' -v n="$results" '
            /^ *"[a-z0-9_]+": [{]/ { group = $2 == "rtt_us" ? "" : $2 "."; sub(/.*[{]/, " ") }
            /^[ {]*"[a-z0-9_]+": / { print n, group $2, $3 }
            /}/ { group = "" }' >>"$tmp/results"
    is "valid[$results] != \"false\"" || fail "$2: the run was not valid" 2
    is "number(mean[$results]) && $(grep -c "^$results valid true" "$tmp/results") == 1" ||
        fail "$2: not a result of EchoClient --json" 2
}

# What awk knows in addition; each line of results is a value.
functions='
    { value[$1, $2] = $3 }
    function number(x) { return x ~ /^-?[0-9.]+([eE][-+]?[0-9]+)?$/ }
    function three(x) { # digits that count
        if (x >= 1e7 || (x > 0 && x < 0.01)) return sprintf("%.1e", x)
        return sprintf(x < 9.995 ? "%.2f" : x < 99.95 ? "%.1f" : "%.0f", x)
    }
    function us(x) {
        if (!number(x) || x < 0.01) return number(x) ? "0.00 us" : "-"
        if (x < 999.5) return three(x) " us"
        return x < 999500 ? three(x / 1000) " ms" : three(x / 1000000) " s"
    }
    function shown(x, name) {
        if (!number(x) || name ~ /_us|^p[0-9]|^m(ean|ax)$/) return us(x)
        return x ~ /^[0-9]+$/ && x < 1e8 ? x : three(x)
    }
    function ratio(x, y) { return number(x) && number(y) && y > 0 ? three(x / y) "x" : "-" }
'

# Counts with what results have: p99[2] is that of the second. (LC_ALL: no decimal commas.)
compute() { # EXPRESSION
    set -- "$(printf '%s' "$1" | sed -E 's/([a-z][a-z0-9_.]*)\[([0-9]+)]/value[\2, "\1"]/g')"
    LC_ALL=C awk "$functions END { print $1 }" "$tmp/results"
}

is() { # CONDITION
    [ "$(compute "($1) ? \"yes\" : \"no\"")" = yes ]
}

# Shows all results: a row for each field, the values, and their ratios to the first result's.
table() { # FIELD...
    local from n name cells
    step "Side by side, with the ratio to ${label[1]}:"
    for ((from = 1; from <= results; from += 3)); do
        printf '\n'
        row 18 '' "${label[@]:from:3}"
        for name in "$@"; do
            cells=()
            for ((n = from; n < from + 3 && n <= results; n++)); do
                cells+=("$(compute "shown(${name}[$n], \"$name\")")")
                cells+=("$(compute "ratio(${name}[$n], ${name}[1])")")
            done
            row 9 "$name" "${cells[@]}"
        done
    done
}

# Says what was seen, or that it was not.
claim() { # CONDITION SEEN [UNSEEN]
    local unseen='other work on this machine, or another kind of system, can be the reason.'
    if is "$1"; then say "$2"; else say "Not seen in this run: ${3:-$unseen}"; fi
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
    [ "$stepping" = no ] || read -r -p '  [Enter] ' _ || stepping=no
}

# Fills in what stands in braces, such as {us(p99[1])}, and breaks the text into lines.
say() { # TEXT
    printf '\n'
    compute "\"$(printf '%s' "$1" | tr -s '\n ' ' ' | sed -e 's/{/" (/g' -e 's/}/) "/g')\"" |
        fold -s -w 79 | sed 's/ $//'
}

# Shows a command as one would type it, on lines of at most 80 columns, broken before options.
show() { # WORD...
    printf '$ %s\n' "$*" | sed -E -e 's/ $//' -e 's/ (--[a-z-]+) ([^-&]|-$)/ \1~\2/g' |
        fold -s -w 77 | sed -e 's/ $/ \\/' -e '2,$s/^/    /' | tr '~' ' '
}

fail() { # MESSAGE [STATUS]
    printf 'run.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

CDPATH='' stepping=no pin='' servers=0 results=0
main "$@"
