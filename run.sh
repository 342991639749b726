#!/usr/bin/env bash
# Runs what this project documents: the measured steps, demos to show to people, the tests.
# It needs bash 3.2 or later (macOS has no newer one) and a JDK, 11 or later. Nothing is built.
set -u

# What this script keeps in mind. Set here, so that nothing of it comes from outside.
scratch=''  # a folder for files in between, removed at the end
release=''  # the version of java: 11, 17, ...
stepping=no # yes: a demo waits for Enter before each step
cores=''    # the cores that are ours, such as 0-3, once we keep to one of them
server=''   # the process of the server started last
port=()     # the port of each server, counted from 1
group=''    # the process group of Maven
results=0   # how many results of the client have been read
label=()    # and of each, counted from 1, what tables call it
CDPATH=''   # a cd goes where it says, and prints nothing
unset OMP_NUM_THREADS OMP_THREAD_LIMIT # nproc would take them for the number of cores

# The demos, in seconds what each takes, and what it shows.
demos='nagle      8 s  an echo written in pieces: 44 ms, not microseconds
stream     3 s  one message, several reads: TCP has no messages
warmup     7 s  a run cold and warm: what compiling does to a measurement
wakeup     9 s  blocking and polling: what waking a thread costs
threads   20 s  threads and event loops: 1 connection and 1000
omission  10 s  the server stands still: what a closed loop misses
size      10 s  64 B to 1 MiB: what a message costs, and what its bytes do
deadlock   6 s  why a client must read while it writes'

main() {
    scratch=$(mktemp -d) || fail 'cannot make a temporary folder'
    trap 'trap "" INT TERM HUP; stop_all; rm -rf "$scratch"' EXIT # after a signal, too
    trap 'exit 130' INT # and also where only this script gets it
    case ${1-} in
        demo) run_demos "${@:2}" ;;
        compare) run_compare "${@:2}" ;;
        test) run_tests "${@:2}" ;;
        -h | --help) usage "${@:2}" ;;
        *) run_steps "$@" ;;
    esac
}

usage() {
    [ $# -eq 0 ] || fail "unknown argument '$1'; see ./run.sh --help" 2
    cat <<END
usage: ./run.sh [--port N] [--async-port N]   the documented steps [5050, 5051]
       ./run.sh demo [NAME...|all] [--step]   demos; --step waits for Enter
       ./run.sh compare FILE...               results of --json side by side
       ./run.sh test [all] [MAVEN ARGUMENT...]  the quick tests, or all (needs Maven)

The steps take about 20 seconds. Port 0 is any free one. java is that of
JAVA_HOME, or else the one on the PATH. The demos, and how long each takes:

$demos
END
}

# ---------------------------------------------------------------- the documented steps

run_steps() { # [--port N] [--async-port N]
    local threaded=5050 async=5051
    while [ $# -gt 0 ]; do
        case $1 in
            --port) threaded=${2-} ;; # whether it is a port is for the server to say
            --async-port) async=${2-} ;;
            *) fail "unknown argument '$1'; see ./run.sh --help" 2 ;;
        esac
        [ -n "${2-}" ] || fail "$1 needs a value" 2
        shift 2
    done
    prepare_java

    title '1. two servers: a thread for each connection, and event loops'
    serve EchoServer --port "$threaded"
    serve AsyncEchoServer --port "$async"
    title '2. the threaded server: 1 KiB, 2000 times; a second of warming up first'
    client --port "${port[1]}" --bench \
        --json results/threaded.json --hgrm results/threaded.hgrm --plot results/threaded.svg
    title '3. the asynchronous server: 16 KiB, 1000 times'
    client --port "${port[2]}" --bench --size 16k --repeat 1000 \
        --json results/async.json --hgrm results/async.hgrm --plot results/async.svg
    title '4. one message to each'
    client --port "${port[1]}" --message hello-threads
    client --port "${port[2]}" --message hello-async --json results/hello.json
    title '5. both runs side by side'
    show ./run.sh compare results/threaded.json results/async.json
    run_compare results/threaded.json results/async.json
    result hello results/hello.json
    if [ -f test/peers/python_pair.py ] && python3 -c '(x := 1)' >/dev/null 2>&1; then
        title '6. the same with a Python pair on this machine'
        python_pair threads 1024 2000
        python_pair asyncio 16384 1000
        python_pair asyncio 11 1
    fi
    title 'this machine beside the published figures'
    published_table
}

# Runs the Python pair; what it found is the next result.
python_pair() { # SERVER BYTES MESSAGES
    local file=results/python-$1-$2.json
    run "$file" python3 test/peers/python_pair.py "$1" --size "$2" --repeat "$3"
    result python "$file"
}

published_table() {
    printf '%50s' 'this machine'
    [ "$results" -lt 6 ] || printf '%15s' 'Python on it' # its results are 4 to 6
    printf '%15s\n' published
    published 'threaded 1024 B x 2000: average' '%.3f ms' .001 mean 1 '0.030 ms'
    published '                        p95' '%.3f ms' .001 p95 1 '0.053 ms'
    published '                        throughput' '%.2f MiB/s' 1 throughput_mib_s 1 '32.34 MiB/s'
    published 'async 16384 B x 1000: average' '%.3f ms' .001 mean 2 '0.089 ms'
    published '                      p95' '%.3f ms' .001 p95 2 '0.122 ms'
    published '                      throughput' '%.2f MiB/s' 1 throughput_mib_s 2 '172.61 MiB/s'
    published 'async hello-async, once' '%.3f ms' .001 mean 3 '5.543 ms'
    say "Published: Python 3.11, macOS, Apple M2. Here: JDK $release, $(uname -sm),
        cores: $(value environment.cores 1). Two machines can't be compared like that; two programs
        on one machine can. No Python pair had a warm-up; ours were $(value warmup.messages 1) and
        $(value warmup.messages 2) messages. For hello-async the servers are warm, and the clients
        have just been started. A MiB is 2^20 bytes of payload, counted once (published as MB)."
}

# One row: a figure of one of our results, that of the Python pair if there is one, the published.
published() { # NAME FORMAT FACTOR FIGURE RESULT PUBLISHED
    local n
    printf '%-35s' "$1"
    for n in "$5" $(($5 + 3)); do
        [ "$n" -gt "$results" ] || printf '%15s' "$(calc "$2" "$3 * $(value "$4" "$n")")"
    done
    printf '%15s\n' "$6"
}

# ---------------------------------------------------------------- the demos

run_demos() { # [NAME...|all] [--step]
    local name chosen=()
    for name in "$@"; do
        if [ "$name" = --step ]; then
            stepping=yes
        elif [ "$name" = all ]; then
            while read -r name _; do chosen+=("$name"); done <<<"$demos"
        elif declare -F "demo_$name" >/dev/null; then
            chosen+=("$name")
        else
            fail "no demo '$name'; try ./run.sh demo" 2
        fi
    done
    [ "${#chosen[@]}" -gt 0 ] || { echo "$demos"; exit; }
    prepare_java
    for name in "${chosen[@]}"; do
        title "$(grep "^$name " <<<"$demos" | sed 's/  *\([0-9]* s\)  */ (\1): /')"
        step 'Each start takes a second or two, because java compiles the source first.'
        "demo_$name"
        stop_all
    done
}

demo_nagle() {
    serve EchoServer --port 0 --bufsize 4k
    serve EchoServer --port 0 --bufsize 4k --nagle
    measure 'without --nagle' 1 nagle-off --size 16k --warmup 300ms --repeat 20
    measure 'with --nagle' 2 nagle-on --size 16k --warmup 300ms --repeat 20
    table 2 mean max reads_mean
    seen "$(value mean 2) > 10000 && $(value mean 2) > 5 * $(value mean 1)" || return
    say "With --nagle a round trip took $(ratio mean 2 1) as long. The server's system held the
        second piece until the first was acknowledged (RFC 896), and the client's delays that. The
        4 pieces took $(figure reads_mean 1) and $(figure reads_mean 2) reads."
}

demo_stream() {
    local reads
    serve EchoServer --port 0 --bufsize 5k --trace
    step 'One read takes 5 KiB at most. The client sends 16 KiB, with one write:'
    client --port "${port[1]}" --size 16k --json results/stream.json
    result stream results/stream.json
    step 'What the server read:'
    grep '^\[server\].* bytes' "$scratch/errors"
    reads=$(grep -c '^\[server\].* bytes' "$scratch/errors")
    seen "$reads > 1" || return
    say "One write in the client, $reads reads in the server, and reads of the echo in the client:
        $(figure reads_mean 1). TCP carries bytes in their order, without borders between messages.
        A program that needs messages counts bytes, or looks for line ends."
}

demo_warmup() {
    on_core last # both: moving between cores would matter more than what is compared
    serve EchoServer --port 0
    measure cold 1 cold --warmup 0 --repeat 300 --plot results/cold.svg
    measure warm 1 warm --repeat 300 --plot results/warm.svg
    table 2 p50 p90 p99
    seen "$(value p50 1) > $(value p50 2) && $(value p90 1) > 1.5 * $(value p90 2)" || return
    say "Code runs slowly until it is compiled: cold, p90 is $(ratio p90 1 2) the warm one. The warm
        run began with $(figure warmup.first_us 2), too, but its first $(value warmup.messages 2)
        messages do not count. See results/cold.svg and warm.svg."
}

demo_wakeup() {
    if [ "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)" -lt 2 ]; then
        say 'This cannot be shown on one core: while one end polls, the other cannot run.'
        return
    fi
    on_core first # and the client on another, so that it is always another that is woken
    serve EchoServer --port 0
    serve EchoServer --port 0 --spin
    on_core last
    measure blocking 1 blocking --duration 400ms
    measure polling 2 polling --duration 400ms --spin
    table 2 p50 p99 messages_s
    seen "$(value p50 1) > 1.1 * $(value p50 2)" || return
    say "A round trip wakes two threads, one at each end. Polling wakes none: p50 is
        $(figure p50 2), not $(figure p50 1), and $(ratio messages_s 2 1) as many messages were
        sent. The price: two cores that do nothing but ask. It pays while nobody else needs them."
}

demo_threads() {
    local kinds=('' threads loops virtual) many servers count n
    # A connection takes a thread and a file at each end: a quarter of what may be, at most.
    many=$(printf '%s\n' 4000 "$(ulimit -Hn)" "$(ulimit -u)" | grep -v unlimited | sort -n)
    many=$((${many%%[!0-9]*} / 4)) # of the least, in the first line
    serve EchoServer --port 0
    serve AsyncEchoServer --port 0
    [ "$release" -lt 21 ] || serve EchoServer --port 0 --virtual # 21 is the first to have them
    servers=${#port[@]}
    for count in 1 "$many"; do
        for ((n = 1; n <= servers; n++)); do
            measure "${kinds[n]} $count" "$n" "${kinds[n]}-$count" \
                --parallel "$count" --warmup 500ms --duration 1s
        done
    done
    table "$servers" messages_s p50 p99
    for ((n = servers + 1; n <= results; n++)); do
        say "${label[n]}: $(ratio messages_s "$n" $((n - servers))) as many messages a second as
            ${label[n - servers]}; half took $(figure p50 "$n") or less, one in 100
            $(figure p99 "$n") or more."
    done
}

demo_omission() {
    serve EchoServer --port 0 --verbose
    stand_still &
    measure 'as echoes return' 1 closed --warmup 300ms --duration 2s
    stand_still &
    measure 'on a schedule' 1 open --warmup 300ms --duration 2s --rate 1000
    table 2 p99 max response_us.p99 response_us.max messages
    seen "$(value max 1) > 400000 && $(value response_us.p99 2) > 5 * $(value p99 1)" || return
    say "One round trip took $(figure max 1). But where the client sends as echoes return, only one
        message met the pause, and p99 is $(figure p99 1). On a schedule some 500 were due
        meanwhile. Their response time counts from then: p99 is $(figure response_us.p99 2). From
        when they were sent at last (RTT) it would be $(figure p99 2)."
}

# Lets the server stand still for half a second, in the middle of the run that begins next.
stand_still() {
    : >"$scratch/errors"
    until grep -q ' connected' "$scratch/errors"; do sleep 0.05; done
    sleep 0.8
    show kill -STOP "$server"
    kill -STOP "$server"
    sleep 0.5
    show kill -CONT "$server"
    kill -CONT "$server"
}

demo_size() {
    on_core last # both: moving between cores would matter more than what is compared
    serve EchoServer --port 0
    measure '64 B' 1 size-64 --size 64 --duration 400ms
    measure '16 KiB' 1 size-16k --size 16k --warmup 300ms --duration 400ms
    measure '1 MiB' 1 size-1m --size 1m --warmup 300ms --duration 400ms
    table 3 p50 throughput_mib_s
    seen "$(value p50 2) < 5 * $(value p50 1) && $(value p50 3) > 8 * $(value p50 2)" || return
    say "From 64 B to 16 KiB, 256 times the bytes took $(ratio p50 2 1) as long: overhead,
        $(figure p50 1) a message. From 16 KiB to 1 MiB, 64 times the bytes took $(ratio p50 3 2)
        as long: now it is the bytes that cost."
}

# The audience is shown this function as it stands here.
naive() { # PORT
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    for ((kib = 64; kib <= 65536; kib += 64)); do
        head -c 65536 /dev/zero >&3 # write everything,
        echo "wrote $kib KiB"
    done
    head -c 67108864 <&3 | wc -c # and only then read
}

demo_deadlock() {
    local before='' wrote=0
    serve EchoServer --port 0
    step 'A sender that writes everything before it reads anything:'
    sed -n '/^naive() {/,/^}/p' run.sh
    show naive "${port[1]}" '&'
    naive "${port[1]}" >"$scratch/naive" 2>>"$scratch/errors" &
    step 'How far is it? Its last line, each second, until that stands still:'
    until [ "$wrote" -gt 0 ] && [ "$wrote" = "$before" ]; do
        sleep 1
        before=$wrote wrote=$(grep -c wrote "$scratch/naive")
        tail -n 1 "$scratch/naive"
    done
    measure EchoClient 1 deadlock --size 64m --warmup 0 --repeat 1
    seen "$wrote < 1024 && $wrote == $(grep -c wrote "$scratch/naive")" || return
    say "The naive sender wrote $((wrote * 64)) KiB of 65536 and hangs: the server cannot write to
        one who does not read, so it reads no more either, and all buffers between them are full.
        EchoClient reads while it writes: it sent and received 64 MiB in $(figure max 1)."
}

# Whether what a demo is about was seen in this run; if not, that is said.
seen() { # COMPARISON
    [ "$(calc %d "$1")" = 1 ] && return
    say 'Not seen in this run. Other work on this machine, or another system, can be why.'
    return 1
}

# Says what comes next; with --step it comes when Enter is pressed.
step() { # TEXT
    printf '\n# %s\n' "$1"
    [ "$stepping" = no ] || read -r -p '  [Enter] ' _ || stepping=no
}

# From now on, all that we start keeps to one core, where taskset can do that.
on_core() { # first|last
    local core
    [ -n "$cores" ] || cores=$(LC_ALL=C taskset -cp $$ 2>/dev/null | sed 's/.*: *//')
    if [ "$1" = first ]; then core=${cores%%[-,]*}; else core=${cores##*[-,]}; fi
    ! taskset -cp "$core" $$ >/dev/null 2>&1 || show taskset -cp "$core" "\$\$"
}

# ---------------------------------------------------------------- compare

run_compare() { # FILE...
    local file times=(mean p50 p90 p95 p99 p99_9 max)
    local rows=(message_bytes connections messages messages_s throughput_mib_s "${times[@]}")
    [ $# -gt 0 ] || fail 'usage: ./run.sh compare FILE... (results of --json)' 2
    for file in "$@"; do
        result "[$((results + 1))]" "$file"
        printf '%s %s\n' "${label[results]}" "$file" | LC_ALL=C fold -w 80
    done
    ! grep -q '^response_us' "$scratch"/result.* || rows+=("${times[@]/#/response_us.}")
    table 3 "${rows[@]}"
}

# Shows all results, so many beside each other: each figure, and its ratio to the first result's.
table() { # COLUMNS NAME...
    local from n name
    step "Side by side, with the ratio to ${label[1]}:"
    for ((from = 1; from <= results; from += $1)); do
        printf '\n%-20s' ''
        for ((n = from; n < from + $1 && n <= results; n++)); do printf '%20s' "${label[n]}"; done
        for name in "${@:2}"; do
            printf '\n%-20s' "$name"
            for ((n = from; n < from + $1 && n <= results; n++)); do
                printf '%11s%9s' "$(figure "$name" "$n")" "$(ratio "$name" "$n" 1)"
            done
        done
        printf '\n'
    done
}

# ---------------------------------------------------------------- the tests

run_tests() { # [all] [MAVEN_ARGUMENT...]
    local argument line shown ticker status takes='the quick tests: about a minute' all=()
    if [ "${1-}" = all ]; then
        takes='all tests: some five minutes'
        all=(-Dall)
        shift
    fi
    for argument in "$@"; do
        [ -n "$argument" ] || fail 'an empty argument' 2
    done
    prepare_java
    command -v mvn >/dev/null || fail 'no mvn on the PATH; install Maven 3.6 or later for the tests'
    echo "$takes"
    show mvn -B -f test/pom.xml test ${all[@]+"${all[@]}"} "$@"
    mkfifo "$scratch/maven" || exit 1
    while IFS= read -r line; do
        case $line in
            *'Tests run:'* | *BUILD* | '[E'* | '[W'*) printf '%s\n' "$line" ;;
            '['*) ;; # what else Maven does
            *) printf '%s\n' "$line" ;;
        esac
    done <"$scratch/maven" &
    shown=$!
    while sleep 5 >/dev/null 2>&1; do echo "  $SECONDS s"; done &
    ticker=$!
    set -m # a group of its own: Ctrl-C comes here, and not to Maven, which would print a stack trace
    mvn -B -f test/pom.xml test ${all[@]+"${all[@]}"} "$@" </dev/null >"$scratch/maven" 2>&1 &
    group=$!
    set +m
    wait "$group"
    status=$?
    group=''
    kill "$ticker"
    wait "$shown"
    exit "$status"
}

# ---------------------------------------------------------------- helpers

prepare_java() {
    local entry entries absolute=''
    # What is relative in the environment was meant from where we were called.
    IFS=: read -r -a entries <<<"$PATH"
    for entry in "${entries[@]}"; do
        [ "${entry#/}" != "$entry" ] || entry=$PWD/$entry
        absolute=$absolute:$entry
    done
    PATH=${absolute#:}
    if [ -n "${JAVA_HOME-}" ]; then
        [ -x "$JAVA_HOME/bin/java" ] || fail "no java in $JAVA_HOME/bin"
        JAVA_HOME=$(cd "$JAVA_HOME" && pwd)
        PATH=$JAVA_HOME/bin:$PATH
    fi
    cd "$(dirname "$(readlink -f "$0")")" && mkdir -p results || exit 1 # each has said why
    # JDK 11 refuses a source beside its class. So the class path is a folder without classes.
    export CLASSPATH=results
    release=$(java -version 2>&1 >/dev/null | LC_ALL=C sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [ "${release:-0}" -ge 11 ] || fail "no JDK from version 11 on: java is ${release:-not there}"
}

# TERM, because what a script starts in the background ignores Ctrl-C; CONT, if it stands still.
stop_all() {
    local process
    [ -z "$group" ] || kill -TERM -- "-$group" # with all that the tests have started
    for process in $(jobs -p); do
        kill -TERM "$process"
        kill -CONT "$process"
    done
    wait
    [ -z "$cores" ] || taskset -cp "$cores" $$
    results=0 port=()
    : >"$scratch/errors"
} >/dev/null 2>&1

# Starts a server, and waits until it listens.
serve() { # CLASS ARGUMENT...
    local line output="$scratch/server.$((${#port[@]} + 1))"
    : >"$output" # at once: there could be what a server of an earlier demo said
    show java "$1.java" "${@:2}" '&'
    java "$1.java" "${@:2}" >"$output" 2>>"$scratch/errors" &
    server=$!
    until grep -q 'listening on' "$output"; do
        kill -0 "$server" 2>/dev/null || finish "$server"
        sleep 0.05
    done
    line=$(grep 'listening on' "$output" | tr -d '\r') # on Windows lines end with CRLF
    echo "$line"
    port[${#port[@]} + 1]=${line##*:}
}

# Shows a command, and runs it; in the background, where a signal finds this script waiting.
run() { # OUTPUT COMMAND...
    show "${@:2}"
    "${@:2}" >"$1" 2>>"$scratch/errors" &
    finish $!
}

# Waits until a program has ended. If it failed, so does all this.
finish() { # PROCESS
    local status
    wait "$1" && return
    status=$?
    cat "$scratch/errors" >&2
    exit "$status"
}

# Runs a client, and shows what it prints.
client() { # ARGUMENT...
    run "$scratch/client" java EchoClient.java "$@"
    cat "$scratch/client"
}

# Runs a benchmark; what it found is the next result.
measure() { # LABEL SERVER NAME ARGUMENT...
    step "$1: this takes some seconds."
    run "$scratch/client" java EchoClient.java --port "${port[$2]}" --bench "${@:4}" \
        --json "results/$3.json"
    result "$1" "results/$3.json"
}

# Reads a result. Its figures stand in a file, a line for each.
result() { # LABEL JSON_FILE
    local file=$2
    [ -f "$file" ] || fail "$file: no such file, or not a regular one" 2
    results=$((results + 1))
    label[results]=$1
    read_json <"$file" >"$scratch/result.$results"
    if [ "$(value valid "$results")" != true ] || [ -z "$(value mean "$results")" ]; then
        fail "$file: not a valid result of EchoClient --json" 2
    fi
}

# Reads JSON, however it is laid out: first a line for each text, sign and word, then one for each
# figure, such as "warmup.messages 20000". Those of rtt_us have no name before theirs: "p99 28.131".
read_json() {
    head -c 100000 | tr '\000\r\n\t' '    ' |
        LC_ALL=C grep -oE '"([^"\\]|\\.)*"|[{}:,]|[^]["{}:, ]+' | LC_ALL=C awk '
            last == ":" && /^(true|false|[0-9.]+([eE][-+]?[0-9]+)?)$/ { print prefix name, $0 }
            $0 == ":" { name = substr(last, 2, length(last) - 2) }
            $0 == "{" { prefix = (name == "" || name == "rtt_us") ? "" : name "." }
            $0 == "}" { prefix = "" }
            { last = $0 }'
}

# A figure of a result; nothing, if the result has none.
value() { # NAME RESULT
    awk -v name="$1" '$1 == name { print $2 }' "$scratch/result.$2"
}

# A figure as people read it: "28.1 us".
figure() { # NAME RESULT
    local number
    number=$(value "$1" "$2")
    case $1:$number in
        *:) echo - ;;
        message_bytes:* | connections:* | messages:*) echo "$number" ;;
        messages_s:* | throughput_mib_s:* | reads_mean:*) three_digits "$number" '' ;;
        *) three_digits "$number" ' us' ;;
    esac
}

# How many times as much a figure of one result is as that of another, such as "2.50x".
ratio() { # NAME RESULT RESULT
    local this other
    this=$(value "$1" "$2") other=$(value "$1" "$3")
    case $this:$other in
        ?*:*[1-9]*) three_digits "$(calc %.9g "$this / $other")" x ;;
        *) echo - ;;
    esac
}

# Three digits that count, at least. Microseconds may become larger units.
three_digits() { # NUMBER UNIT
    LC_ALL=C awk -v n="$1" -v unit="$2" 'BEGIN {
        if (unit == " us" && n >= 999500) { n /= 1000000; unit = " s" }
        if (unit == " us" && n >= 999.5) { n /= 1000; unit = " ms" }
        text = sprintf(n >= 999.5 && n < 1e9 ? "%.0f" : "%#.3g", n)
        sub(/\.$/, "", text)
        print text unit
    }'
}

# Computes with numbers. A comparison is 1 or 0.
calc() { # FORMAT EXPRESSION
    LC_ALL=C awk -v format="$1" "BEGIN { printf format, ($2) }"
}

title() { # TEXT
    printf '\n== %s\n' "$1"
}

# Says something in lines of at most 79 columns.
say() { # TEXT
    printf '\n'
    { printf '%s' "$1" | tr -s '\n ' '  '; echo; } | LC_ALL=C fold -s -w 79 | sed 's/ $//'
}

# Shows a command as one would type it.
show() { # WORD...
    echo "\$ $*" | LC_ALL=C fold -s -w 74 | sed -e '$!s/$/\\/' -e '2,$s/^/    /'
}

fail() { # MESSAGE [STATUS]
    printf 'run.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

main "$@"
