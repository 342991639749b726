#!/usr/bin/env bash
# Runs what this project documents: the measured steps, the tests, and demos to show to people.
# It needs bash 3.2 or later (macOS has no newer one) and a JDK, 11 or later. Nothing is built.
set -uf # -f: a * in a text stays a *

usage() {
    cat <<END
usage: ./run.sh [--port N] [--async-port N]   the documented steps [5050, 5051; 0: any free]
       ./run.sh compare FILE...               results of --json side by side
       ./run.sh test [MAVEN ARGUMENT...]      the tests (needs Maven)
       ./run.sh demo                          lists the demos
       ./run.sh demo NAME...|all [--step]     runs them; --step waits for Enter

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
        compare) shift && compare "$@" ;;
        test) shift && run_tests "$@" ;;
        demo) shift && run_demos "$@" ;;
        *) documented_steps "$@" ;;
    esac
}

# ---------------------------------------------------------------- the documented steps

documented_steps() {
    local name value threaded=5050 async=5051 hello
    while [ $# -gt 0 ]; do
        name=${1%%=*} value=${1#*=}
        case $1 in
            --port | --async-port) value=${2:-} && shift $(($# > 1)) ;;
        esac
        shift
        case $name in
            --port) threaded=$value ;; # whether it is a port is for the server to say
            --async-port) async=$value ;;
            *) wrong "unknown argument $name" ;;
        esac
    done
    prepare_java

    title '1. two servers: a thread for each connection, and event loops'
    servers "EchoServer --port $threaded" "AsyncEchoServer --port $async"

    title '2. the threaded server: 1 KiB, 2000 times, after a second of warming up'
    bench threaded --port "${port[1]}" --bench

    title '3. the asynchronous server: 16 KiB, 1000 times'
    bench async --port "${port[2]}" --bench --size 16k --repeat 1000

    title '4. one message to the asynchronous server'
    client --port "${port[2]}" --message hello-async
    cat "$tmp/out"
    hello=$(sed -n 's/.*RTT *: \([0-9.]*\) ms/\1/p' "$tmp/out")
    show kill "${server[1]}" "${server[2]}"
    stop_all
    grep -h served "$tmp/server1" "$tmp/server2"

    title '5. the two runs side by side'
    show ./run.sh compare results/threaded.json results/async.json
    compare results/threaded.json results/async.json
    beside_published "$hello"
}

# One run leaves its text, its figures, its distribution and its picture.
bench() { # NAME ARGUMENT...
    local name=results/$1
    shift
    client "$@" --json "$name.json" --hgrm "$name.hgrm" --plot "$name.svg"
    cat "$tmp/out"
}

# shellcheck disable=SC2046 # ours gives three words
beside_published() { # OUR_HELLO_MS
    title 'this machine beside the published figures (milliseconds, MiB/s)'
    row 27 '' 'this machine' published
    row 9 '' average p95 MiB/s average p95 MiB/s
    row 9 'threaded 1024 B x 2000' $(ours 1) 0.030 0.053 32.34
    row 9 'async 16384 B x 1000' $(ours 2) 0.089 0.122 172.61
    row 9 'async hello-async, once' "$1" - - 5.543 - -
    say "What differs: the published procedure had no warm-up; here messages went first that were
        not counted ({warmups(1)} and {warmups(2)}). The client of hello-async is cold in both.
        Published: Python 3.11, macOS, Apple M2. Here: JDK $release, $(uname -sm), $(cores) cores.
        Throughput is the payload, once, divided by 2^20, in both (published as MB/s)."
    say 'results/ (ignored by git) now has each run as .json, .hgrm and .svg.'
}

ours() { # RESULT
    compute "sprintf(\"%.3f %.3f %.2f\", mean($1) / 1000, p95($1) / 1000, mib_s($1))"
}

# ---------------------------------------------------------------- compare

compare() { # FILE...
    local name
    [ $# -gt 0 ] || wrong 'compare takes results of --json: ./run.sh compare FILE...'
    prepare
    for name in "$@"; do
        result "[$((results + 1))]" "$name"
        printf '%s %s\n' "${label[results]}" "$name" | fold -w 80
    done
    for name in message_bytes connections; do
        [ "$(field '[0-9]*' "$name" | sort -u | wc -l)" -eq 1 ] || say "Not the same $name!"
    done
    set -- message_bytes connections messages messages_s throughput_mib_s \
        rtt_us.{min,mean,p50,p90,p95,p99,p99_9,max}
    if grep -q ' service_us' "$tmp/results"; then
        set -- "$@" service_us.{min,mean,p50,p90,p95,p99,p99_9,max}
    fi
    figures "$@"
}

# ---------------------------------------------------------------- the tests

run_tests() {
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
    prepare_java
    for name in $names; do
        title "$name: $(demo_list | sed -n "s/^$name  *//p")"
        "demo_$name"
        stop_all
        results=0 columns=3 pin=''
        : >"$tmp/results"
    done
}

demo_nagle() {
    servers 'EchoServer --bufsize 4k' 'EchoServer --bufsize 4k --nagle'
    measure 'without' 1 --size 16k --warmup 300ms --repeat 20
    measure '--nagle' 2 --size 16k --warmup 300ms --repeat 20
    table rtt_us.mean rtt_us.max reads_mean
    claim 'mean(2) > 10000 && mean(2) > 5 * mean(1)' \
        "With --nagle a round trip took {three(mean(2) / mean(1))} times as long. The server's
        system held the second piece until the first was acknowledged (RFC 896), and the client's
        delays that: {us(mean(2) - mean(1))} of waiting."
    say "The server wrote 4 pieces of 4 KiB. The client took them with {three(reads(1))} and
        {three(reads(2))} reads (reads_mean): TCP is a stream, and pieces that lie in the receive
        buffer together are taken by one read."
}

demo_warmup() {
    on_one_core
    servers EchoServer
    measure '--warmup 0' 1 --warmup 0 --repeat 300 --plot results/cold.svg
    measure 'warm' 1 --repeat 300 --plot results/warm.svg
    table rtt_us.mean rtt_us.p99 rtt_us.max
    claim 'mean(1) > 1.5 * mean(2) && p99(1) > 1.5 * p99(2) && max(1) > max(2)' \
        "Code runs slowly until it is compiled: cold, the mean is {three(mean(1) / mean(2))} times
        the warm one. The second client began as slowly, with {us(first(2))} for its first message,
        but {warmups(2)} messages went ahead of those that count. Look at results/cold.svg and
        results/warm.svg."
}

demo_wakeup() {
    if [ "$(cores)" -lt 2 ]; then
        say 'This cannot be shown on one core: while one end polls, the other cannot run.'
        return
    fi
    servers EchoServer 'EchoServer --spin'
    measure 'blocking' 1 --duration 400ms
    measure '--spin' 2 --duration 400ms --spin
    table rtt_us.p50 rtt_us.p99 messages_s
    claim 'p50(1) > 1.1 * p50(2) && p99(1) > p99(2) && rate(2) > 1.1 * rate(1)' \
        "Polling saves {us(p50(1) - p50(2))} of {us(p50(1))} (p50). A round trip wakes two threads,
        one at each end: about {us((p50(1) - p50(2)) / 2)} for each. The price: two of the $(cores)
        cores do nothing but ask." \
        "polling took {us(p50(2))} where blocking took {us(p50(1))} (p50), {us(p99(2))} against
        {us(p99(1))} (p99), and moved {int(rate(2))} messages a second against {int(rate(1))}.
        It pays only while each end has a core to itself; whatever else runs needs one as well."
}

demo_threads() {
    local many=1000 limit count n most names kinds
    names=('' threads virtual async)
    kinds=(EchoServer 'EchoServer --virtual' AsyncEchoServer)
    if [ "$release" -lt 21 ]; then
        say "No virtual threads: they need JDK 21 or later, this is $release."
        names=('' threads async)
        unset 'kinds[1]'
    fi
    limit=$(ulimit -Hn) # Java raises the soft limit to the hard one by itself
    if [ "$limit" != unlimited ] && [ "$limit" -lt 1200 ]; then
        many=$((limit / 2))
        say "Only $many connections: no more than $limit files may be open (ulimit -Hn)."
    fi
    servers "${kinds[@]}"
    for count in 1 "$many"; do
        for ((n = 1; n <= servers; n++)); do
            measure "$count ${names[n]}" "$n" --parallel "$count" --warmup 300ms --duration 400ms
        done
    done
    columns=$servers
    table messages_s rtt_us.p50 rtt_us.p99
    # The results of one connection come first, then those of many, in the same order.
    for ((most = n; n <= results; n++)); do
        if is "rate($n) > rate($most)"; then most=$n; fi
        # By Little's law the mean wait is the connections, divided by the messages a second.
        if is "p50($n) > 0.5 * 1000000 * $many / rate($n)"; then
            say "${label[n]}: all wait in line, half of the echoes {us(p50($n))} or longer."
        elif is "p99($n) > 10 * p50($n)"; then
            say "${label[n]}: a few are served at once, the rest wait: half of the echoes took at
                most {us(p50($n))}, one in a hundred {us(p99($n))} or longer."
        else
            say "${label[n]}: half of the echoes took at most {us(p50($n))}, one in a hundred
                {us(p99($n))} or longer."
        fi
    done
    say "It takes p50 and p99 to tell that. Most messages a second: ${label[most]},
        {int(rate($most))}; with one connection it moved {int(rate($((most - servers))))}."
}

demo_omission() {
    local closed
    servers 'EchoServer --verbose'
    step 'Two clients, for about 3 s: one sends when the last echo is back, one on a schedule.'
    set -- java EchoClient.java --port "${port[1]}" --bench --warmup 300ms --duration 2s --json -
    launch "$tmp/closed" '&' "$@"
    closed=$pid
    launch "$tmp/open" '&' "$@" --rate 1000
    await 2 ' connected' "$tmp/errors" "$pid"
    # No step here: the clients don't wait for Enter.
    printf '\n# Both are connected. In the middle of their runs the server stands still.\n'
    show "sleep 0.8; kill -STOP ${server[1]}; sleep 0.5; kill -CONT ${server[1]}"
    sleep 0.8
    kill -STOP "${server[1]}"
    sleep 0.5
    kill -CONT "${server[1]}"
    finish "$pid"
    finish "$closed"
    sed -e 's/"rtt_us"/"due_us"/' -e 's/"service_us"/"rtt_us"/' "$tmp/open" >"$tmp/sent"
    result 'as echoes return' "$tmp/closed"
    result 'from when due' "$tmp/open"
    result 'from when sent' "$tmp/sent"
    table rtt_us.p99 rtt_us.p99_9 rtt_us.max messages
    claim 'max(1) > 400000 && max(3) > 400000 && p99(2) > 5 * p99(1)' \
        "Half a second without an echo, but p99 is {us(p99(1))} where the client sends as echoes
        return: it stopped sending, so one message met the pause. On a schedule about 500 were due
        meanwhile, and they count from then: p99 is {us(p99(2))}."
}

demo_size() {
    on_one_core
    servers EchoServer
    measure '64 B' 1 --size 64 --duration 400ms
    measure '16 KiB' 1 --size 16k --warmup 300ms --duration 400ms
    measure '1 MiB' 1 --size 1m --warmup 300ms --duration 400ms
    table rtt_us.p50 throughput_mib_s
    claim 'p50(2) < 5 * p50(1) && p50(3) > 8 * p50(2)' \
        "From 64 B to 16 KiB, 256 times the bytes took {three(p50(2) / p50(1))} times as long:
        overhead, {us(p50(1))} a message. From 16 KiB to 1 MiB, 64 times the bytes took
        {three(p50(3) / p50(2))} times as long: bandwidth."
}

# The audience is shown this function as it stands here.
naive() { # PORT KIB
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    for ((kib = 1; kib <= $2; kib++)); do
        printf '%01024d' 0 >&3 # write everything,
        echo "wrote $kib KiB"
    done
    head -c "$(($2 * 1024))" <&3 | wc -c # and only then read
}

demo_deadlock() {
    local sender count='' before=none
    printf '\n'
    sed -n '/^naive() {/,/^}/p' run.sh
    servers EchoServer
    (: <"/dev/tcp/127.0.0.1/${port[1]}") 2>/dev/null || fail 'this bash has no /dev/tcp'
    step 'It writes 64 KiB, and they come back. Then it writes 64 MiB.'
    show naive "${port[1]}" 64
    naive "${port[1]}" 64 | tail -n 2
    show naive "${port[1]}" 65536 '&'
    # In a bash of its own, which a signal can end in the middle of a write.
    start "$tmp/naive" "$BASH" -c "$(declare -f naive); naive ${port[1]} 65536"
    sender=$pid
    step 'How far is it? Its last line, each second, until that stands still:'
    until [ "$count" = "$before" ]; do
        sleep 1
        before=$count count=$(tail -n 1 "$tmp/naive")
        echo "$count"
    done
    measure 'EchoClient' 1 --size 64m --warmup 0 --repeat 1
    kill -0 "$sender" 2>/dev/null && [ "$(tail -n 1 "$tmp/naive")" = "$count" ]
    claim "$? == 0" \
        "The naive sender $count of 65536 and hangs: the server cannot write to one who does not
        read, so it reads no more either, and all buffers between them are full. EchoClient reads
        while it writes: it sent and received 64 MiB in {us(max(1))}." \
        "the naive sender's last line is now $(tail -n 1 "$tmp/naive"). The socket buffers of this
        system hold so much; with more to send, it would hang all the same."
}

# ---------------------------------------------------------------- processes

# However this ends, what it started is stopped.
prepare() {
    tmp=$(mktemp -d) || fail 'cannot make a temporary folder'
    : >"$tmp/results"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

clean_up() {
    trap '' INT TERM HUP
    stop_all
    rm -rf "$tmp"
}

# Is there a JDK?
prepare_java() {
    if [ -n "${JAVA_HOME:-}" ]; then
        [ -x "$JAVA_HOME/bin/java" ] || fail "no bin/java in JAVA_HOME ($JAVA_HOME)"
        PATH=$(cd "$JAVA_HOME/bin" && pwd):$PATH
    fi
    release=$(java -version 2>&1 | sed -n 's/.*version "\(1\.\)*\([0-9]*\).*/\2/p')
    [ "${release:-0}" -ge 11 ] || fail "no JDK from version 11 on: java is ${release:-not there}"
    java --describe-module jdk.compiler >/dev/null 2>&1 ||
        fail "java $release is without a compiler; install a JDK, version 11 or later"
    cd -- "$home" || exit 1
    mkdir -p results || fail 'cannot make the folder results/'
    prepare
}

cores() {
    nproc 2>/dev/null || getconf _NPROCESSORS_ONLN
}

# From now on programs share one core, the last that is ours, where taskset can do that.
on_one_core() {
    pin="taskset -c $(taskset -cp $$ 2>/dev/null | sed 's/.*[^0-9]//')"
    if $pin true 2>/dev/null; then
        say 'Both ends on one core: moving between cores would matter more than what is compared.'
    else
        pin=''
    fi
}

# Starts a command in the background, so that a signal finds this script waiting, not deaf.
start() { # OUTPUT COMMAND...
    "${@:2}" >"$1" 2>>"$tmp/errors" &
    pid=$!
    running="$running$pid "
}

# Waits until a process has ended. If it failed, so does all this.
finish() { # PID
    local status=0
    wait "$1" || status=$?
    running=${running/ $1 / }
    [ "$status" -eq 0 ] && return
    cat "$tmp/errors" >&2
    exit "$status"
}

# TERM, because what a script starts in the background ignores Ctrl-C; CONT, if it is paused.
stop_all() {
    local process tries=0
    for process in $running; do
        kill "$process" && kill -CONT "$process"
    done 2>/dev/null
    for process in $running; do
        while kill -0 "$process" && [ $((tries += 1)) -lt 100 ]; do sleep 0.05; done
        kill -KILL "$process"
        wait "$process"
    done 2>/dev/null # bash tells of processes that were killed
    running=' ' servers=0
}

# Waits until a file has so many lines like that, as long as the process lives.
await() { # COUNT PATTERN FILE PID
    local deadline=$((SECONDS + 60)) alive=yes
    until [ "$(grep -c "$2" "$3")" -ge "$1" ]; do
        [ "$alive" = yes ] || finish "$4"
        [ "$SECONDS" -lt "$deadline" ] || fail "no program said '$2' within a minute"
        kill -0 "$4" 2>/dev/null || alive=no # it may have said so just before
        sleep 0.05
    done
}

# Starts servers and waits for them. If no port is given, any free one: ${port[1]} and so on.
servers() { # 'CLASS ARGUMENT...'...
    local words n
    step "Starting $# server(s). java compiles a source each time: a moment."
    for words in "$@"; do
        servers=$((servers + 1))
        kind[servers]=$words
        case $words in *--port*) ;; *) words="$words --port 0" ;; esac
        # shellcheck disable=SC2086 # words
        set -- $words
        launch "$tmp/server$servers" '&' java "$1.java" "${@:2}"
        server[servers]=$pid
    done
    for ((n = 1; n <= servers; n++)); do
        await 1 'listening on' "$tmp/server$n" "${server[n]}"
        grep 'listening on' "$tmp/server$n"
        port[n]=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$tmp/server$n")
    done
}

# Shows a command, pinned if all are, and starts it.
launch() { # OUTPUT &|'' COMMAND...
    # shellcheck disable=SC2086 # words
    set -- "$1" "$2" $pin "${@:3}"
    show "${@:3}" "$2"
    start "$1" "${@:3}"
}

# Runs a client; $tmp/out has what it printed.
client() { # ARGUMENT...
    launch "$tmp/out" '' java EchoClient.java "$@"
    finish "$pid"
}

# Runs a client against a server; what it found is the next result.
measure() { # LABEL SERVER ARGUMENT...
    step "$1: the client starts, warms up and measures."
    client --port "${port[$2]}" --bench "${@:3}" --json -
    result "$1" "$tmp/out"
}

# ---------------------------------------------------------------- figures

# Reads a result into $tmp/results, a line for each value, such as "2 rtt_us.p99 28.131".
result() { # LABEL JSON_FILE
    [ -e "$2" ] || fail "$2: no such file" 2
    [ -f "$2" ] || fail "$2: not a regular file" 2
    [ -r "$2" ] || fail "$2: not readable" 2
    label[results += 1]=$1
    head -c 100000 <"$2" | LC_ALL=C tr -d '\000\n' | LC_ALL=C tr ',' '\n' |
        LC_ALL=C awk -F '[":{} ]+' -v n="$results" '
            /^ *"[a-z0-9_]+": [{]/ { group = $2 "."; print n, group $3, $4; next }
            /^[ {]*"[a-z0-9_]+": / { print n, group $2, $3 }
            /}/ { group = "" }' >>"$tmp/results"
    [ "$(field "$results" valid)" != false ] || fail "$2: the run was not valid" 2
    [ "$(field "$results" valid)" = true ] && is "number(mean($results)) && number(rate($results))" ||
        fail "$2: not a result of EchoClient --json" 2
}

field() { # RESULT NAME
    sed -n "s/^$1 $2 //p" "$tmp/results"
}

# What expressions are made of: p99(2) is that of the second result, in microseconds.
# shellcheck disable=SC2016 # $1 is for awk
functions='
    { value[$1, $2] = $3 }
    function mean(n) { return value[n, "rtt_us.mean"] }
    function p50(n) { return value[n, "rtt_us.p50"] }
    function p95(n) { return value[n, "rtt_us.p95"] }
    function p99(n) { return value[n, "rtt_us.p99"] }
    function max(n) { return value[n, "rtt_us.max"] }
    function rate(n) { return value[n, "messages_s"] }
    function mib_s(n) { return value[n, "throughput_mib_s"] }
    function reads(n) { return value[n, "reads_mean"] }
    function first(n) { return value[n, "warmup.first_us"] }
    function warmups(n) { return value[n, "warmup.messages"] }
    function number(x) { return x ~ /^-?[0-9.]+([eE][-+]?[0-9]+)?$/ }
    function three(x) { # digits that count
        if (x >= 1e7 || (x > 0 && x < 0.01)) return sprintf("%.1e", x)
        return sprintf(x < 9.995 ? "%.2f" : x < 99.95 ? "%.1f" : "%.0f", x)
    }
    function us(x) {
        if (!number(x)) return "-"
        if (x < 999.5) return three(x) " us"
        return x < 999500 ? three(x / 1000) " ms" : three(x / 1000000) " s"
    }
    function shown(x, name) {
        if (!number(x) || name ~ /_us/) return us(x)
        return x == int(x) && x < 1e8 ? x : three(x)
    }
    function ratio(x, y) { return number(x) && number(y) && y > 0 ? three(x / y) "x" : "-" }
'

# awk counts with fractions; without LC_ALL it may print a comma.
compute() { # EXPRESSION
    LC_ALL=C awk "$functions END { print $1 }" "$tmp/results"
}

is() { # CONDITION
    LC_ALL=C awk "$functions END { exit !($1) }" "$tmp/results"
}

table() { # FIELD...
    step "Side by side, with the ratio to ${label[1]}:"
    figures "$@"
}

# A row for each of these fields, and columns for each result: its value, its ratio to the first.
figures() { # FIELD...
    local from n name cells
    for ((from = 1; from <= results; from += columns)); do
        printf '\n'
        row 18 '' "${label[@]:from:columns}"
        for name in "$@"; do
            cells=()
            for ((n = from; n < from + columns && n <= results; n++)); do
                cells+=("$(compute "shown(value[$n, \"$name\"], \"$name\")")")
                cells+=("$(compute "ratio(value[$n, \"$name\"], value[1, \"$name\"])")")
            done
            row 9 "$name" "${cells[@]}"
        done
    done
}

# Says what was seen, or that it was not.
claim() { # CONDITION SEEN [UNSEEN]
    if is "$1"; then
        say "$2"
    else
        say "Not seen in this run: ${3:-the figures above are of something else that took more
            time, as on a busy machine.}"
    fi
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

# Fills in what stands in braces, such as {us(p99(1))}, and breaks the text into lines.
say() { # TEXT
    printf '\n'
    compute "\"$(printf '%s' "$1" | tr -s ' \n' ' ' | sed -e 's/{/" (/g' -e 's/}/) "/g')\"" |
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

wrong() { # MESSAGE
    fail "$1; see ./run.sh --help" 2
}

home=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
stepping=no pin='' running=' ' servers=0 results=0 columns=3
main "$@"
