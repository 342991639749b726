#!/usr/bin/env bash
# Runs what this project documents: the measured steps, demos to show to people, the tests.
# It needs bash 3.2 or later (macOS has no newer one) and a JDK, 11 or later. Nothing is built.
set -u

# What this script keeps in mind. Set here, so that nothing of it comes from outside.
scratch=''    # a folder for files in between, removed at the end
release=''    # the version of java: 11, 17, ...
stepping=no   # yes: a demo waits for Enter before each step
core=''       # programs run on this core only, if it is set
servers=0     # how many servers run
port=()       # and of each, counted from 1, its port
server=()     # and its process
pid=''        # the process started last
results=0     # how many results of the client have been read
label=()      # and of each, counted from 1, what tables call it
CDPATH=''     # a cd goes where it says, and prints nothing
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

usage() {
    cat <<END
usage: ./run.sh [--port N] [--async-port N]   the documented steps [5050, 5051]
       ./run.sh demo [NAME...|all] [--step]   demos; --step waits for Enter
       ./run.sh compare FILE...               results of --json side by side
       ./run.sh test [MAVEN ARGUMENT...]      the tests (needs Maven)

The steps take about 20 seconds. Port 0 is any free one. java is that of
JAVA_HOME, or else the one on the PATH. The demos, and how long each takes:

$demos
END
}

main() {
    case ${1-} in
        demo) run_demos "${@:2}" ;;
        compare) run_compare "${@:2}" ;;
        test) run_tests "${@:2}" ;;
        -h | --help)
            [ $# -eq 1 ] || fail "unknown argument '$2'; see ./run.sh --help" 2
            usage
            ;;
        *) run_steps "$@" ;;
    esac
}

# ---------------------------------------------------------------- the documented steps

run_steps() {
    local threaded=5050 async=5051 name value
    while [ $# -gt 0 ]; do
        name=${1%%=*} value=${1#*=} # --port=6000
        if [ "$name" = "$1" ]; then # --port 6000
            shift
            value=${1-}
        fi
        case $name in
            --port) threaded=$value ;; # whether it is a port is for the server to say
            --async-port) async=$value ;;
            *) fail "unknown argument '$name'; see ./run.sh --help" 2 ;;
        esac
        [ -n "$value" ] || fail "$name needs a value" 2
        shift
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
    published_table
}

# The end of the steps: this machine, a Python pair on it if there is a Python, and the published.
published_table() {
    if [ -f test/peers/python_pair.py ] && python3 -c '' >/dev/null 2>&1; then
        title '6. the same with a Python pair on this machine'
        python_pair python-threads threads --size 1024 --repeat 2000
        python_pair python-asyncio asyncio --size 16384 --repeat 1000
        python_pair python-hello asyncio --size 11 --repeat 1
    fi
    title 'this machine beside the published figures'
    if [ "$results" -lt 6 ]; then
        printf '%50s%15s\n' 'this machine' published
    else
        printf '%50s%15s%15s\n' 'this machine' 'Python on it' published
    fi
    published 'threaded 1024 B x 2000: average' mean 1 '0.030 ms'
    published '                        p95' p95 1 '0.053 ms'
    published '                        throughput' throughput_mib_s 1 '32.34 MiB/s'
    published 'async 16384 B x 1000: average' mean 2 '0.089 ms'
    published '                      p95' p95 2 '0.122 ms'
    published '                      throughput' throughput_mib_s 2 '172.61 MiB/s'
    published 'async hello-async, once' mean 3 '5.543 ms'
    say "Published: Python 3.11, macOS, Apple M2. Here: JDK $release, $(uname -sm),
        $(whole environment.cores 1) cores. Two machines can't be compared like that; two programs
        on one machine can. No Python pair had a warm-up; of the Java client,
        $(whole warmup.messages 1) and $(whole warmup.messages 2) messages went first, uncounted.
        For hello-async the servers are warm, and the clients have just been started. A MiB is 2^20
        bytes of payload, counted once (published as MB)."
}

# One row. The Python pair's results are three after ours; without a Python it has no column.
published() { # NAME FIGURE RESULT PUBLISHED
    printf '%-35s%15s' "$1" "$(classic "$2" "$3")"
    [ "$results" -lt 6 ] || printf '%15s' "$(classic "$2" $(($3 + 3)))"
    printf '%15s\n' "$4"
}

# Runs the Python pair; what it found is the next result.
python_pair() { # NAME ARGUMENT...
    launch "> results/$1.json" "results/$1.json" python3 test/peers/python_pair.py "${@:2}"
    finish
    result "$1" "results/$1.json"
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
    if [ "${#chosen[@]}" -eq 0 ]; then
        echo "$demos"
        return
    fi
    prepare_java
    for name in "${chosen[@]}"; do
        title "$(grep "^$name " <<<"$demos" | sed 's/  *\([0-9]* s\)  */ (\1): /')"
        step 'Each start takes a second or two, because java compiles the source first.'
        "demo_$name"
        stop_all
    done
}

demo_nagle() {
    local without with
    serve EchoServer --port 0 --bufsize 4k
    serve EchoServer --port 0 --bufsize 4k --nagle
    measure 'without --nagle' nagle-off 1 --size 16k --warmup 300ms --repeat 20
    measure 'with --nagle' nagle-on 2 --size 16k --warmup 300ms --repeat 20
    table mean max reads_mean
    say "The 4 pieces of each echo took $(figure reads_mean 1) and $(figure reads_mean 2) reads: TCP
        is a stream, and one read takes all that has come."

    without=$(ns mean 1) with=$(ns mean 2)
    seen $((with > 10000000 && with > 5 * without)) || return
    say "With --nagle a round trip took $(ratio "$with" "$without") as long. The server's system
        held the second piece until the first was acknowledged (RFC 896), and the client's
        delays that: $(duration $((with - without))) of waiting."
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
    seen $((reads > 1)) || return
    say "One write in the client, $reads reads in the server, and reads of the echo in the client:
        $(whole reads_mean 1). TCP carries bytes in their order, without borders between messages.
        One who needs messages counts bytes, as EchoClient does, or looks for line ends."
}

demo_warmup() {
    on_core last # both: moving between cores would matter more than what is compared
    serve EchoServer --port 0
    measure 'cold' cold 1 --warmup 0 --repeat 300 --plot results/cold.svg
    measure 'warm' warm 1 --repeat 300 --plot results/warm.svg
    table p50 p90 p99

    seen $(($(ns p50 1) > $(ns p50 2) && 2 * $(ns p90 1) > 3 * $(ns p90 2))) || return
    say "Code runs slowly until it is compiled: cold, p90 is $(ratio "$(ns p90 1)" "$(ns p90 2)")
        the warm one. The second client's first message took $(figure warmup.first_us 2), too,
        but $(whole warmup.messages 2) went ahead of those that count. See results/cold.svg and
        warm.svg."
}

demo_wakeup() {
    local blocking polling saved rate
    if [ "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)" -lt 2 ]; then
        say 'This cannot be shown on one core: while one end polls, the other cannot run.'
        return
    fi
    on_core first # and the client on another, so that it is always another that is woken
    serve EchoServer --port 0
    serve EchoServer --port 0 --spin
    on_core last
    measure 'blocking' blocking 1 --duration 400ms
    measure 'polling' polling 2 --duration 400ms --spin
    table p50 p99 messages_s

    blocking=$(ns p50 1) polling=$(ns p50 2)
    saved=$((blocking - polling))
    seen $((10 * blocking > 11 * polling)) || return
    say "Polling saves $(duration "$saved") of $(figure p50 1) (p50). A round trip wakes two
        threads, one at each end: about $(duration $((saved / 2))) for each. The price: two cores
        that do nothing but ask."
    rate=$(ratio "$(value messages_s 2)" "$(value messages_s 1)")
    if (($(whole messages_s 2) < 11 * $(whole messages_s 1) / 10)); then
        say "But it moved $rate as many messages: one of the cores had other work to do, and polling
            pays only while each end has a core to itself."
    fi
}

demo_threads() {
    local many=1000 files threads kinds=(EchoServer AsyncEchoServer) count n rates=()
    files=$(ulimit -Hn) # Java raises the soft limit to this one by itself
    threads=$(ulimit -u)
    if [ "$files" != unlimited ] && [ "$files" -lt 1200 ]; then
        many=$((files / 2))
        say "Only $many connections: no more than $files files may be open (ulimit -Hn)."
    fi
    if [ "$threads" != unlimited ] && [ "$threads" -lt $((3 * many)) ]; then
        many=$((threads / 4))
        say "Only $many connections, with a thread at each end: no more than $threads threads may
            run (ulimit -u)."
    fi
    serve EchoServer --port 0
    serve AsyncEchoServer --port 0
    if [ "$release" -ge 21 ]; then
        serve EchoServer --port 0 --virtual
        kinds+=(--virtual)
    else
        say "No virtual threads: they need JDK 21 or later, this is $release."
    fi
    for count in 1 "$many"; do
        for ((n = 1; n <= results; n++)); do rates[n]=$(value messages_s "$n"); done
        results=0
        for ((n = 1; n <= servers; n++)); do
            measure "${kinds[n - 1]}" "threads-$n-$count" "$n" --parallel "$count" \
                --warmup 500ms --duration 1s
        done
        table messages_s p50 p99
    done
    for ((n = 1; n <= servers; n++)); do
        say "${label[n]}: over $many connections $(ratio "$(value messages_s "$n")" "${rates[n]}")
            as many messages a second as over one. Half of them took $(figure p50 "$n") or
            less, one in a hundred $(figure p99 "$n") or more."
    done
    say 'Where half are quick and one in a hundred is a thousand times slower, a few connections are
        served again and again while the others wait.'
}

demo_omission() {
    serve EchoServer --port 0 --verbose
    step 'One client sends as echoes return. Meanwhile the server stands still.'
    measure_with_pause 'as echoes return' closed 1
    step 'The other sends on a schedule, and meets the same.'
    measure_with_pause 'on a schedule' open 2 --rate 1000
    table p99 max response_us.p99 response_us.max messages

    seen $(($(ns max 1) > 400000000 && $(ns response_us.p99 2) > 5 * $(ns p99 1))) || return
    say "For half a second no echo came: one round trip took $(figure max 1). But where the client
        sends as echoes return, p99 is $(figure p99 1): it stopped sending, so one message met the
        pause. On a schedule some 500 were due meanwhile, and their response time counts from when
        they were due: p99 is $(figure response_us.p99 2). From when they were sent at last (RTT) it
        would be $(figure p99 2)."
}

# Measures with a client; in the middle of its run the server stands still.
measure_with_pause() { # LABEL NAME CONNECTION ARGUMENT...
    start_client "$2" 1 --warmup 300ms --duration 2s "${@:4}"
    await "$3" ' connected' "$scratch/errors"
    pause 0.8
    show kill -STOP "${server[1]}"
    kill -STOP "${server[1]}"
    pause 0.5
    show kill -CONT "${server[1]}"
    kill -CONT "${server[1]}"
    finish
    result "$1" "results/$2.json"
}

pause() { # SECONDS
    show sleep "$1"
    sleep "$1"
}

demo_size() {
    on_core last # both: moving between cores would matter more than what is compared
    serve EchoServer --port 0
    measure '64 B' size-64 1 --size 64 --duration 400ms
    measure '16 KiB' size-16k 1 --size 16k --warmup 300ms --duration 400ms
    measure '1 MiB' size-1m 1 --size 1m --warmup 300ms --duration 400ms
    table p50 throughput_mib_s

    seen $(($(ns p50 2) < 5 * $(ns p50 1) && $(ns p50 3) > 8 * $(ns p50 2))) || return
    say "From 64 B to 16 KiB, 256 times the bytes took $(ratio "$(ns p50 2)" "$(ns p50 1)") as long:
        overhead, $(figure p50 1) a message. From 16 KiB to 1 MiB, 64 times the bytes took
        $(ratio "$(ns p50 3)" "$(ns p50 2)") as long: now it is the bytes that cost."
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
    local sender before=none wrote=''
    serve EchoServer --port 0
    step 'A sender that writes everything before it reads anything:'
    sed -n '/^naive() {/,/^}/p' run.sh
    launch '&' "$scratch/naive" naive "${port[1]}" 65536
    sender=$pid
    step 'How far is it? Its last line, each second, until that stands still:'
    until [ -n "$wrote" ] && [ "$wrote" = "$before" ]; do
        sleep 1
        before=$wrote wrote=$(tail -n 1 "$scratch/naive")
        echo "$wrote"
    done
    measure EchoClient deadlock 1 --size 64m --warmup 0 --repeat 1

    kill -0 "$sender" 2>/dev/null && [ "$wrote" = "$(tail -n 1 "$scratch/naive")" ]
    seen $(($? == 0)) || return
    say "The naive sender $wrote of 65536 and hangs: the server cannot write to one who does not
        read, so it reads no more either, and all buffers between them are full. EchoClient reads
        while it writes: it sent and received 64 MiB in $(figure max 1)."
}

# Whether what a demo is about was seen in this run; if not, that is said.
seen() { # 1|0
    [ "$1" = 1 ] && return
    say 'Not seen in this run: other work on this machine, or another kind of system, can be the
        reason.'
    return 1
}

# Says what comes next; with --step it comes when Enter is pressed.
step() { # TEXT
    printf '\n# %s\n' "$1"
    if [ "$stepping" = yes ]; then
        read -r -p '  [Enter] ' _ || stepping=no
    fi
}

# Programs run on one core from now on, the first or last that is ours, where taskset can do that.
on_core() { # first|last
    core=$(LC_ALL=C taskset -cp $$ 2>/dev/null | sed 's/.*: *//') # such as 0-3,6
    if [ "$1" = first ]; then core=${core%%[-,]*}; else core=${core##*[-,]}; fi
    taskset -c "$core" true 2>/dev/null || core=''
}

# ---------------------------------------------------------------- compare

run_compare() { # FILE...
    local file name rows=(message_bytes connections messages messages_s throughput_mib_s)
    [ $# -gt 0 ] || fail 'usage: ./run.sh compare FILE... (results of --json)' 2
    prepare
    rows+=(mean p50 p90 p95 p99 p99_9 max)
    for file in "$@"; do
        result "[$((results + 1))]" "$file"
        printf '%s %s\n' "${label[results]}" "$file" | LC_ALL=C fold -w 80
        for name in message_bytes connections; do
            if [ "$(value "$name" "$results")" != "$(value "$name" 1)" ]; then
                echo "    not the same $name as [1]"
            fi
        done
    done
    if grep -q '^response_us' "$scratch"/result.*; then
        rows+=(response_us.mean response_us.p50 response_us.p90 response_us.p95 response_us.p99)
        rows+=(response_us.p99_9 response_us.max)
    fi
    table "${rows[@]}"
}

# Shows all results, three beside each other: each figure, and its ratio to the first result's.
table() { # NAME...
    local from n name
    step "Side by side, with the ratio to ${label[1]}:"
    for ((from = 1; from <= results; from += 3)); do
        printf '\n%-23s' ''
        for ((n = from; n < from + 3 && n <= results; n++)); do printf '%19s' "${label[n]}"; done
        for name in "$@"; do
            printf '\n%-23s' "$name"
            for ((n = from; n < from + 3 && n <= results; n++)); do
                printf '%11s' "$(figure "$name" "$n")"
                printf '%8s' "$(ratio "$(value "$name" "$n")" "$(value "$name" 1)")"
            done
        done
        printf '\n'
    done
}

# ---------------------------------------------------------------- the tests

run_tests() { # MAVEN_ARGUMENT...
    local argument telling='^[^[]|^\[[^I]|Tests run:|BUILD' # of [INFO], what counts tests
    for argument in "$@"; do
        [ -n "$argument" ] || fail 'an empty argument' 2
    done
    prepare_java
    command -v mvn >/dev/null || fail 'no mvn on the PATH; install Maven 3.6 or later for the tests'
    show mvn -B -f test/pom.xml test "$@"
    # With a process group of its own, because what a script starts otherwise in the background is
    # deaf to Ctrl-C, and the programs under test would be, too.
    set -m -o pipefail
    mvn -B -f test/pom.xml test "$@" </dev/null | { grep -E "$telling" || true; } &
    wait $!
}

# ---------------------------------------------------------------- helpers: processes

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
    cd "$(here)" && mkdir -p results || exit 1 # either has said why
    # JDK 11 refuses a source beside its class. So the class path is a folder without classes.
    export CLASSPATH=results
    release=$(java -version 2>&1 >/dev/null | LC_ALL=C sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [ "${release:-0}" -ge 11 ] || fail "no JDK from version 11 on: java is ${release:-not there}"
    java --describe-module jdk.compiler >/dev/null 2>&1 || fail 'this java is no JDK: no compiler'
    prepare
}

# The folder of this script, also if it was called by a link.
here() {
    local file=$0 target
    while [ -L "$file" ]; do
        target=$(readlink "$file")
        [ "${target#/}" != "$target" ] || target=$(dirname "$file")/$target
        file=$target
    done
    dirname "$file"
}

# Makes our folder. However this ends, that is removed, and what was started is stopped.
prepare() {
    [ -z "$scratch" ] || return 0
    scratch=$(mktemp -d) || fail 'cannot make a temporary folder'
    trap 'trap "" INT TERM HUP; stop_all; rm -rf "$scratch"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

# TERM, because what a script starts in the background ignores Ctrl-C; CONT, if it stands still.
# The tests are a group of processes.
stop_all() {
    local process tries=0
    for process in $(jobs -p); do
        kill -TERM -- "-$process" || kill -TERM "$process"
        kill -CONT "$process"
    done
    while [ -n "$(jobs -pr)" ] && [ $((tries += 1)) -lt 100 ]; do sleep 0.05; done
    for process in $(jobs -p); do
        kill -KILL -- "-$process" || kill -KILL "$process"
    done
    wait
    servers=0 results=0 core=''
    : >"$scratch/errors"
} 2>/dev/null

# Shows a command, and starts it in the background, where a signal finds this script waiting.
launch() { # SHOWN_AFTER_IT OUTPUT COMMAND...
    local after=$1 output=$2
    shift 2
    [ -z "$core" ] || set -- taskset -c "$core" "$@"
    show "$@" ${after:+"$after"}
    : >"$output" # at once: await must not find what an earlier program printed
    "$@" >"$output" 2>>"$scratch/errors" &
    pid=$!
}

# Waits until the program started last has ended. If it failed, so does all this.
finish() {
    local status=0
    wait "$pid" || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$scratch/errors" >&2
        exit "$status"
    fi
}

# Waits until a file has so many lines like that. The program started last is to bring that about.
await() { # COUNT PATTERN FILE
    until [ "$(grep -c "$2" "$3")" -ge "$1" ]; do
        if ! kill -0 "$pid" 2>/dev/null; then
            finish
            fail "it has ended, and there is no '$2'"
        fi
        sleep 0.05
    done
}

# Starts a server, waits until it listens, and notes its port and its process.
serve() { # CLASS ARGUMENT...
    local output line
    servers=$((servers + 1))
    output=$scratch/server.$servers
    launch '&' "$output" java "$1.java" "${@:2}"
    server[servers]=$pid
    await 1 'listening on' "$output"
    line=$(grep 'listening on' "$output" | tr -d '\r') # on Windows lines end with CRLF
    echo "$line"
    port[servers]=${line##*:}
}

# Runs a client, and shows what it prints.
client() { # ARGUMENT...
    launch '' "$scratch/client" java EchoClient.java "$@"
    finish
    cat "$scratch/client"
}

# Runs a client against a server; what it found is the next result.
measure() { # LABEL NAME SERVER ARGUMENT...
    step "$1: this takes some seconds."
    start_client "${@:2}"
    finish
    result "$1" "results/$2.json"
}

# Its result goes to a file, because on standard output could be what the JVM itself prints, too.
start_client() { # NAME SERVER ARGUMENT...
    launch '' "$scratch/client" java EchoClient.java --port "${port[$2]}" --bench "${@:3}" \
        --json "results/$1.json"
}

# ---------------------------------------------------------------- helpers: figures

# Reads a result. Its figures stand in a file, a line for each.
result() { # LABEL JSON_FILE
    local file=$2 figures
    [ -e "$file" ] || fail "$file: no such file" 2
    [ -f "$file" ] || fail "$file: not a regular file" 2
    [ -r "$file" ] || fail "$file: not readable" 2
    results=$((results + 1))
    label[results]=$1
    figures=$scratch/result.$results
    read_json <"$file" >"$figures"
    ! grep -q '^valid false' "$figures" || fail "$file: the run was not valid" 2
    if [ "$(grep -c '^valid true' "$figures")" != 1 ] || [ -z "$(value mean "$results")" ]; then
        fail "$file: not a result of EchoClient --json" 2
    fi
}

# Reads JSON, however it is laid out, and prints each number, true and false with its name, as in
# "warmup.messages 20000000000". That is 20000: numbers are in whole millionths, because bash
# counts in whole numbers only. Members of rtt_us have no name before theirs: "p99 28131000".
read_json() {
    head -c 100000 | tr '\000\r\n\t' '    ' | LC_ALL=C awk '
        {
            rest = $0
            while (match(rest, /^ *("([^"\\]|\\.)*"|\[|\]|[{}:,]|[-+.0-9A-Za-z]+)/)) {
                token = substr(rest, 1, RLENGTH)
                rest = substr(rest, RLENGTH + 1)
                sub(/^ */, "", token)
                if (token == "{" || token == "[") {
                    prefix[depth + 1] = depth == 0 ? "" : prefix[depth] name "."
                    if (prefix[depth + 1] == "rtt_us.") prefix[depth + 1] = ""
                    depth++
                    name = ""
                } else if (token == "}" || token == "]") {
                    depth--
                } else if (token == ":") {
                    name = substr(last, 2, length(last) - 2)
                } else if (last == ":" && token ~ /^(true|false)$/) {
                    print prefix[depth] name, token
                } else if (last == ":" && token ~ /^[0-9.]+([eE][-+]?[0-9]+)?$/ && token < 9e12) {
                    printf "%s %.0f\n", prefix[depth] name, token * 1000000
                }
                last = token
            }
        }'
}

# A figure of a result in whole millionths; nothing, if the result has none.
value() { # NAME RESULT
    local name figure
    while read -r name figure; do
        [ "$name" != "$1" ] || echo "$figure"
    done <"$scratch/result.$2"
}

# A figure as people read it: "28.1 us".
figure() { # NAME RESULT
    if [ -z "$(value "$1" "$2")" ]; then
        echo -
        return
    fi
    case $1 in
        message_bytes | connections | messages) whole "$1" "$2" ;;
        messages_s | throughput_mib_s | reads_mean) three "$(value "$1" "$2")" ;;
        *) duration "$(ns "$1" "$2")" ;;
    esac
}

# A figure as the classic lines of the client show it: "0.028 ms" or "32.34 MiB/s".
classic() { # NAME RESULT
    local n
    n=$(value "$1" "$2")
    if [ "$1" = throughput_mib_s ]; then
        n=$(((n + 5000) / 10000))
        printf '%d.%02d MiB/s\n' $((n / 100)) $((n % 100))
    else
        n=$(((n + 500000) / 1000000))
        printf '%d.%03d ms\n' $((n / 1000)) $((n % 1000))
    fi
}

# A figure without decimals.
whole() { # NAME RESULT
    local millionths
    millionths=$(value "$1" "$2")
    echo $(((${millionths:-0} + 500000) / 1000000))
}

# A time in whole nanoseconds.
ns() { # NAME RESULT
    local millionths
    millionths=$(value "$1" "$2")
    echo $((${millionths:-0} / 1000))
}

duration() { # NANOSECONDS
    if (($1 < 999500)); then
        echo "$(three $(($1 * 1000))) us"
    elif (($1 < 999500000)); then
        echo "$(three "$1") ms"
    else
        echo "$(three $(($1 / 1000))) s"
    fi
}

# Three digits that count, and at most four decimals: 28131000 is "28.1", 28131 is "0.0281".
three() { # MILLIONTHS
    local unit=100 decimals=4 rounded
    while ((decimals > 0 && $1 / unit >= 1000)); do
        unit=$((unit * 10)) decimals=$((decimals - 1))
    done
    rounded=$((($1 + unit / 2) / unit * unit))
    if ((decimals == 0)); then
        echo $((rounded / 1000000))
    else
        printf '%d.%0*d' $((rounded / 1000000)) "$decimals" $((rounded % 1000000 / unit))
    fi
}

# How many times as much one is as the other, such as "2.50x".
ratio() { # NUMBER NUMBER
    local this=${1:-0} first=${2:-0}
    while ((this > 9000000000000)); do # a million times that is too large for bash
        this=$((this / 10)) first=$((first / 10))
    done
    if [ -z "$1" ] || ((first == 0)); then
        echo -
    elif ((this / first > 99999)); then
        echo '>99999x'
    else
        echo "$(three $((this * 1000000 / first)))x"
    fi
}

# ---------------------------------------------------------------- helpers: on the screen

title() { # TEXT
    printf '\n== %s\n' "$1"
}

# Says something in lines of at most 79 columns.
say() { # TEXT
    printf '\n'
    { printf '%s' "$1" | tr -s '\n ' '  '; echo; } | LC_ALL=C fold -s -w 79 | sed 's/ $//'
}

# Shows a command as one would type it; a long one goes on in the next line, before an option.
show() { # WORD...
    local line='$' word
    for word in "$@"; do
        if [ "${#line}" -gt 50 ] && [ "${word#--}" != "$word" ]; then
            echo "$line \\"
            line='   '
        fi
        line="$line $word"
    done
    echo "$line"
}

fail() { # MESSAGE [STATUS]
    printf 'run.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

main "$@"
