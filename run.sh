#!/usr/bin/env bash
# Runs what this project documents: the measured steps, demos to show to people, the tests.
# It needs bash 3.2 or later (macOS has no newer one) and a JDK, 11 or later. Nothing is built.
set -u

# What this script keeps in mind. Set here, so that nothing of it comes from outside.
scratch=''  # a folder for files in between, removed at the end
release=''  # the version of java: 11, 17, ...
stepping=no # yes: a demo waits for Enter before each command
cores=''    # the cores that are ours, such as 0-3, once we keep to one of them
server=''   # the process of the server started last
maven=''    # the process group of Maven
names=()    # of the results that have been read, in their order
labels=()   # and what tables call them
CDPATH=''   # a cd goes where it says, and prints nothing
SECONDS=0   # since this script began

# The demos, in seconds what each takes, and what it shows.
demos='nagle      8 s  an echo written in pieces: 44 ms, not microseconds
stream     3 s  one message, several reads: TCP has no messages
warmup     9 s  a run cold and warm: what compiling does to a measurement
wakeup     9 s  blocking and polling: what waking a thread costs
threads   20 s  threads and event loops: 1 connection and 1000
connect   12 s  threads and event loops: what a new client costs
omission  10 s  the server stands still: what a closed loop misses
size      10 s  64 B to 1 MiB: what a message costs, and what its bytes do
deadlock   6 s  why a client must read while it writes'

main() {
    local argument
    scratch=$(mktemp -d) || fail 'cannot make a temporary folder'
    scratch=$(cd "$scratch" && pwd) # TMPDIR may be relative to where we were called
    trap 'trap "" INT TERM HUP; stop_all; rm -rf "$scratch"' EXIT # after a signal, too
    trap 'exit 130' INT # and also where only this script gets it
    : >"$scratch/errors"
    for argument in "${@:2}"; do
        if [ "$argument" = -h ] || [ "$argument" = --help ]; then
            usage
            exit
        fi
    done
    case ${1-} in
        demo) run_demos "${@:2}" ;;
        compare) run_compare "${@:2}" ;;
        test) run_tests "${@:2}" ;;
        -h | --help) usage "${@:2}" ;;
        *) run_steps "$@" ;;
    esac
}

usage() {
    if [ $# -gt 0 ]; then fail "unknown argument '$1'; see ./run.sh --help" 2; fi
    cat <<END
usage: ./run.sh [--port N] [--async-port N]   the documented steps [5050, 5051]
       ./run.sh demo [NAME...|all] [--step]   demos; --step waits for Enter
       ./run.sh compare FILE...               results of --json side by side
       ./run.sh test [all] [ARGUMENT...]      the quick tests, or all of them;
                                              arguments go to Maven

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
        if [ -z "${2-}" ]; then fail "$1 needs a value" 2; fi
        shift 2
    done
    prepare_java

    title '1. two servers: a thread for each connection, and event loops'
    serve threaded EchoServer --port "$threaded"
    serve async AsyncEchoServer --port "$async"
    title '2. the threaded server: 1 KiB, 2000 times; a second of warming up first'
    client --port "$(port threaded)" --bench \
        --json results/threaded.json --hgrm results/threaded.hgrm --plot results/threaded.svg
    title '3. the asynchronous server: 16 KiB, 1000 times'
    client --port "$(port async)" --bench --size 16k --repeat 1000 \
        --json results/async.json --hgrm results/async.hgrm --plot results/async.svg
    title '4. one message to each'
    client --port "$(port threaded)" --message hello-threads
    client --port "$(port async)" --message hello-async --json results/hello.json
    title '5. both runs side by side'
    show ./run.sh compare results/threaded.json results/async.json
    run_compare results/threaded.json results/async.json
    result threaded threaded results/threaded.json
    result async async results/async.json
    result hello hello results/hello.json
    if [ -f test/peers/python_pair.py ] && python3 -c '(x := 1)' >/dev/null 2>&1; then
        title '6. the same with a Python pair on this machine'
        python_pair threaded threads 1024 2000
        python_pair async asyncio 16384 1000
        python_pair hello asyncio 11 1
    fi
    title 'this machine beside the published figures'
    published_table
    say "Pictures of both runs: results/threaded.svg and results/async.svg; a browser shows them."
}

# Runs the Python pair; what it found is a result.
python_pair() { # RESULT SERVER BYTES MESSAGES
    local file=results/python-$2-$3.json
    run "$file" python3 test/peers/python_pair.py "$2" --size "$3" --repeat "$4"
    result "python-$1" python "$file"
}

published_table() {
    printf '%50s' 'this machine'
    if has python-hello; then printf '%15s' 'Python on it'; fi
    printf '%15s\n' published
    published 'threaded 1024 B x 2000: average' '%.3f ms' .001 threaded mean '0.030 ms'
    published '                        p95' '%.3f ms' .001 threaded p95 '0.053 ms'
    published '                        throughput' '%.2f MiB/s' 1 threaded throughput_mib_s \
        '32.34 MiB/s'
    published 'async 16384 B x 1000: average' '%.3f ms' .001 async mean '0.089 ms'
    published '                      p95' '%.3f ms' .001 async p95 '0.122 ms'
    published '                      throughput' '%.2f MiB/s' 1 async throughput_mib_s \
        '172.61 MiB/s'
    published 'async hello-async, once' '%.3f ms' .001 hello mean '5.543 ms'
    say "Published: Python 3.11, macOS, Apple M2. Here: JDK $release, $(uname -sm),
        cores: $(value threaded environment.cores). Two machines can't be compared like that; two
        programs on one machine can. No Python pair had a warm-up; ours were
        $(value threaded warmup.messages) and $(value async warmup.messages) messages. For
        hello-async the servers are warm, and the clients have just been started. A MiB is 2^20
        bytes of payload, counted once (published as MB)."
}

# One row: a figure of one of our results, that of the Python pair if there is one, the published.
published() { # NAME FORMAT FACTOR RESULT FIGURE PUBLISHED
    local one
    printf '%-35s' "$1"
    for one in "$4" "python-$4"; do
        if has "$one"; then printf '%15s' "$(calc "$2" "$3 * $(value "$one" "$5")")"; fi
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
    if [ "${#chosen[@]}" -eq 0 ]; then
        echo "$demos" || exit 1
        exit
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
    serve plain EchoServer --port 0 --bufsize 4k
    serve nagle EchoServer --port 0 --bufsize 4k --nagle
    measure off 'without --nagle' plain nagle-off --size 16k --warmup 300ms --repeat 20
    measure on 'with --nagle' nagle nagle-on --size 16k --warmup 300ms --repeat 20
    table 2 mean max reads_mean
    seen "$(value on mean) > 10000 && $(value on mean) > 5 * $(value off mean)" || return
    say "The server reads and writes 4 KiB at a time, so an echo of 16 KiB leaves it in pieces. With
        --nagle a round trip took $(ratio on off mean) as long: the server's system held the second
        piece until the first was acknowledged (RFC 896), and the client's system delays that. The
        client took an echo in $(us off reads_mean) reads without --nagle, in $(us on reads_mean)
        with it."
}

demo_stream() {
    local reads
    serve plain EchoServer --port 0 --bufsize 5k --trace
    step 'One read takes 5 KiB at most. The client sends 16 KiB, with one write:'
    client --port "$(port plain)" --size 16k --json results/stream.json
    result stream stream results/stream.json
    step 'What the server read:'
    grep '^\[server\].* bytes' "$scratch/errors"
    reads=$(grep -c '^\[server\].* bytes' "$scratch/errors")
    seen "$reads > 1" || return
    say "One write in the client, $reads reads in the server, and reads of the echo in the client:
        $(us stream reads_mean). TCP carries bytes in their order, without borders between
        messages. A program that needs messages counts bytes, or looks for line ends."
}

demo_warmup() {
    keep_to last # both: moving between cores would matter more than what is compared
    serve plain EchoServer --port 0
    measure cold cold plain cold --warmup 0 --repeat 300
    measure warm warm plain warm --repeat 300
    table 2 p50 p90 p99
    step 'And in one picture: the first 3000 messages of a client, with nothing before them.'
    client --port "$(port plain)" --bench --warmup 0 --repeat 3000 --plot results/warmup.svg
    seen "$(value cold p50) > $(value warm p50)" || return
    seen "$(value cold p90) > 1.5 * $(value warm p90)" || return
    say "Code runs slowly until it is compiled: cold, p90 is $(ratio cold warm p90) the warm one. The
        warm run began with $(us warm warmup.first_us), too, but its first
        $(value warm warmup.messages) messages do not count. results/warmup.svg shows how it gets
        faster."
}

demo_wakeup() {
    if [ "$(core first)" = "$(core last)" ]; then
        say 'This cannot be shown on one core: while one end polls, the other cannot run.'
        return
    fi
    keep_to first # and the client on another, so that it is always another that is woken
    serve sleeps EchoServer --port 0
    serve polls EchoServer --port 0 --spin
    keep_to last
    measure blocking blocking sleeps blocking --duration 400ms
    measure polling polling polls polling --duration 400ms --spin
    table 2 p50 p99 messages_s
    seen "$(value blocking p50) > 1.1 * $(value polling p50)" || return
    say "A round trip wakes two threads, one at each end. Polling wakes none: p50 is
        $(us polling p50), not $(us blocking p50); messages a second:
        $(ratio polling blocking messages_s). The price: two cores that do nothing but ask. It pays
        while nobody else needs them."
}

demo_threads() {
    local kinds=(threads loops) kind many
    # A connection takes a thread and a file at each end: a quarter of what may be, at most.
    many=$(printf '%s\n' 4000 "$(ulimit -Hn)" "$(ulimit -u)" | grep -v unlimited | sort -n)
    many=$((${many%%[!0-9]*} / 4)) # of the least, in the first line
    serve threads EchoServer --port 0
    echo "$server" >"$scratch/threads.pid"
    serve loops AsyncEchoServer --port 0
    echo "$server" >"$scratch/loops.pid"
    if [ "$release" -ge 21 ]; then # the first to have them
        kinds+=(virtual)
        serve virtual EchoServer --port 0 --virtual
        echo "$server" >"$scratch/virtual.pid"
    fi
    for kind in "${kinds[@]}"; do
        measure "$kind-1" "$kind 1" "$kind" "$kind-1" \
            --parallel 1 --warmup 500ms --duration 1s
    done
    for kind in "${kinds[@]}"; do
        measure_crowd "$kind" "$many"
    done
    table "${#kinds[@]}" messages_s p50 p99 memory_kib
    for kind in "${kinds[@]}"; do
        say "$kind, $many connections: messages a second, beside 1 connection:
            $(ratio "$kind-$many" "$kind-1" messages_s). $(fairness "$kind-$many" "$many")"
    done
    seen "$(value "threads-$many" memory_kib) > 1.5 * $(value "loops-$many" memory_kib)" || return
    say "With $many connections, messages a second: loops $(ratio "loops-$many" "threads-$many" \
        messages_s) of threads. But the server grew by $(us "threads-$many" memory_kib) KiB for each
        connection with threads, by $(us "loops-$many" memory_kib) KiB with loops. Memory, not speed,
        is why there are event loops."
}

# Many connections, and by how much the server's memory grew for each of them.
measure_crowd() { # SERVER CONNECTIONS
    local process before
    process=$(cat "$scratch/$1.pid")
    before=$(memory_kib "$process")
    measure "$1-$2" "$1 $2" "$1" "$1-$2" --parallel "$2" --warmup 500ms --duration 1s
    echo "memory_kib $(calc %.1f "($(memory_kib "$process") - $before) / $2")" \
        >>"$scratch/$1-$2.result"
}

# The most memory that a process has had; where that is not told, what it has now.
memory_kib() { # PROCESS
    if [ -r "/proc/$1/status" ]; then
        awk '$1 == "VmHWM:" { print $2 }' "/proc/$1/status"
    else
        ps -o rss= -p "$1"
    fi
}

# Whether all connections had their turn. If so, a round trip takes what it takes all of them to
# send one message each.
fairness() { # RESULT CONNECTIONS
    local turn
    turn=$(calc %.3f "$2 * 1e6 / $(value "$1" messages_s)")
    if [ "$(calc %d "5 * $(value "$1" p50) < $turn")" = 1 ]; then
        echo "This was unfair: half of the messages took $(us "$1" p50) or less, and if all had had
            their turn it would be about $(three_digits "$turn" ' us'). A few connections sent most
            of them, while others waited: p99 is $(us "$1" p99)."
    else
        echo "This was fair: half of the messages took $(us "$1" p50) or less, and all connections
            together sent one each in $(three_digits "$turn" ' us')."
    fi
}

demo_connect() {
    local kinds=(threads loops) kind
    keep_to last # all: moving between cores would matter more than what is compared
    serve threads EchoServer --port 0
    serve loops AsyncEchoServer --port 0
    if [ "$release" -ge 21 ]; then # the first to have them
        kinds+=(virtual)
        serve virtual EchoServer --port 0 --virtual
    fi
    measure kept 'one connection' threads connect-kept --repeat 2000
    for kind in "${kinds[@]}"; do # few, for each leaves a local port in use for a minute
        measure "$kind" "$kind, new" "$kind" "connect-$kind" --connect --repeat 2000
    done
    table 2 messages_s p50 p99 connect_us.p50
    seen "$(value threads p50) > 1.5 * $(value kept p50)" || return
    for kind in "${kinds[@]}"; do
        say "$kind: a message that brings a new client took $(us "$kind" p50) (p50),
            $(ratio "$kind" kept p50) of one on a connection that is kept. Until connected, which the
            system does: $(us "$kind" connect_us.p50)."
    done
    say "The rest is the echo, the end of the connection, and what the client is to its server: a
        thread, which is used again, or a place in an event loop. p50 with loops is
        $(ratio loops threads p50) that with threads."
    if [ "$release" -ge 21 ]; then
        say "With virtual threads it is $(ratio virtual threads p50) that with threads."
    fi
}

demo_omission() {
    serve plain EchoServer --port 0 --verbose
    stand_still &
    measure closed 'as echoes return' plain closed --warmup 300ms --duration 2s
    stand_still &
    measure open 'on a schedule' plain open --warmup 300ms --duration 2s --rate 1000 \
        --plot results/omission.svg
    table 2 p99 max response_us.p99 response_us.max messages
    seen "$(value closed max) > 400000" || return
    seen "$(value open response_us.p99) > 5 * $(value closed p99)" || return
    say "One round trip took $(us closed max). But where the client sends as echoes return, only one
        message met the pause, and p99 is $(us closed p99). On a schedule some 500 were due
        meanwhile. Their response time counts from then: p99 is $(us open response_us.p99). From
        when they were sent at last (RTT) it would be $(us open p99). See results/omission.svg."
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
    keep_to last # both: moving between cores would matter more than what is compared
    serve plain EchoServer --port 0
    measure small '64 B' plain size-64 --size 64 --duration 400ms
    measure middle '16 KiB' plain size-16k --size 16k --warmup 300ms --duration 400ms
    measure large '1 MiB' plain size-1m --size 1m --warmup 300ms --duration 400ms
    table 3 p50 throughput_mib_s
    seen "$(value middle p50) < 5 * $(value small p50)" || return
    seen "$(value large p50) > 8 * $(value middle p50)" || return
    say "From 64 B to 16 KiB, 256 times the bytes took $(ratio middle small p50) as long: overhead,
        $(us small p50) a message. From 16 KiB to 1 MiB, 64 times the bytes took
        $(ratio large middle p50) as long: now it is the bytes that cost."
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
    local sender before='' wrote=0
    serve plain EchoServer --port 0
    step 'A sender that writes everything before it reads anything:'
    sed -n '/^naive() {/,/^}/p' run.sh
    show naive "$(port plain)" '&'
    wait_for_enter
    naive "$(port plain)" >"$scratch/naive" 2>>"$scratch/errors" &
    sender=$!
    step 'How far is it? Its last line, each second, until that stands still:'
    until [ "$wrote" -gt 0 ] && [ "$wrote" = "$before" ]; do
        if ! kill -0 "$sender" 2>/dev/null; then finish "$sender" "$scratch/naive"; fi
        sleep 1
        before=$wrote
        wrote=$(grep -c wrote "$scratch/naive")
        tail -n 1 "$scratch/naive"
    done
    measure reads EchoClient plain deadlock --size 64m --warmup 0 --repeat 1
    seen "$wrote < 1024 && $wrote == $(grep -c wrote "$scratch/naive")" || return
    say "The naive sender wrote $((wrote * 64)) KiB of 65536 and hangs: the server cannot write to
        one who does not read, so it reads no more either, and all buffers between them are full.
        EchoClient reads while it writes: it sent and received 64 MiB in $(us reads max)."
}

# Whether what a demo is about was seen in this run; if not, that is said.
seen() { # COMPARISON
    if [ "$(calc %d "$1")" = 1 ]; then return; fi
    say 'Not seen in this run. Other work on this machine, or another system, can be why.'
    return 1
}

# Says what comes next.
step() { # TEXT
    printf '\n# %s\n' "$1"
}

# With --step, what was shown is done when Enter is pressed.
wait_for_enter() {
    if [ "$stepping" = yes ]; then
        read -r -p '  [Enter] ' _ || stepping=no
    fi
}

# The first or the last of the cores that are ours.
core() { # first|last
    local list=$cores
    if [ -z "$list" ]; then list=$(LC_ALL=C taskset -cp $$ 2>/dev/null | sed 's/.*: *//'); fi
    if [ -z "$list" ]; then list=0-$(($(getconf _NPROCESSORS_ONLN) - 1)); fi
    if [ "$1" = first ]; then echo "${list%%[-,]*}"; else echo "${list##*[-,]}"; fi
}

# From now on, all that we start keeps to one core, where taskset can do that.
keep_to() { # first|last
    if [ -z "$cores" ]; then cores=$(LC_ALL=C taskset -cp $$ 2>/dev/null | sed 's/.*: *//'); fi
    if [ -n "$cores" ] && taskset -cp "$(core "$1")" $$ >/dev/null 2>&1; then
        show taskset -cp "$(core "$1")" "\$\$"
    fi
}

# ---------------------------------------------------------------- compare

run_compare() { # FILE...
    local file fact number=0 times=(mean p50 p90 p95 p99 p99_9 max)
    local rows=(message_bytes connections messages messages_s throughput_mib_s "${times[@]}")
    if [ $# -eq 0 ]; then fail 'usage: ./run.sh compare FILE... (results of --json)' 2; fi
    for file in "$@"; do
        number=$((number + 1))
        result "compared-$number" "[$number] $(short_name "$file")" "$file"
        printf '[%s] %s\n' "$number" "$file" | LC_ALL=C fold -w 79
    done
    if grep -q '^response_us' "$scratch"/compared-*.result; then
        rows+=("${times[@]/#/response_us.}")
    fi
    table 3 "${rows[@]}" || exit 1
    for fact in host environment.java environment.os environment.arch environment.cores \
        environment.load_average; do
        differing "$fact" "$number"
    done
    warnings "$number"
    names=()
    labels=()
}

# The name of a file, without folder and ending, as a column has room for.
short_name() { # FILE
    local name=${1##*/}
    name=${name%.json}
    echo "${name:0:14}"
}

# What is not a figure, where the results do not all have the same of it.
differing() { # NAME RESULTS
    local n line='' same=yes
    for ((n = 1; n <= $2; n++)); do
        line="$line [$n] $(words "compared-$n" "$1")"
        if [ "$(value "compared-$n" "$1")" != "$(value compared-1 "$1")" ]; then same=no; fi
    done
    if [ "$same" = no ]; then
        printf '%-20s%s\n' "${1#environment.}" "$line" | LC_ALL=C fold -s -w 79
    fi
}

warnings() { # RESULTS
    local n
    for ((n = 1; n <= $1; n++)); do
        if [ "$(value "compared-$n" interrupted)" = true ]; then echo "[$n] was interrupted"; fi
        words "compared-$n" warnings | sed "s/^/[$n] warning: /"
    done | LC_ALL=C fold -s -w 79
}

# Shows all results, so many beside each other: each figure, and its ratio to the first result's.
table() { # COLUMNS NAME...
    local name files=()
    step "Side by side, with the ratio to ${labels[0]}:"
    wait_for_enter
    for name in "${names[@]}"; do files+=("$scratch/$name.result"); done
    TABLE_ROWS="${*:2}" TABLE_LABELS=$(printf '%s\n' "${labels[@]}") \
        LC_ALL=C awk -v columns="$1" "$figures"'
            BEGIN {
                rows = split(ENVIRON["TABLE_ROWS"], row, " ")
                split(ENVIRON["TABLE_LABELS"], label, "\n")
            }
            FNR == 1 { files++ }
            { values[files, $1] = $2 }
            END {
                for (from = 1; from <= files; from += columns) {
                    printf "\n%-18s", ""
                    for (n = from; n < from + columns && n <= files; n++) {
                        printf "%20s", label[n]
                    }
                    for (r = 1; r <= rows; r++) {
                        printf "\n%-18s", row[r]
                        for (n = from; n < from + columns && n <= files; n++) {
                            printf "%11s%9s", figure(row[r], values[n, row[r]]),
                                ratio(values[n, row[r]], values[1, row[r]])
                        }
                    }
                    printf "\n"
                }
            }' "${files[@]}"
}

# ---------------------------------------------------------------- the tests

run_tests() { # [all] [MAVEN_ARGUMENT...]
    local argument ticker filter status command=(mvn -B -f test/pom.xml test)
    for argument in "$@"; do
        if [ -z "$argument" ]; then fail 'an empty argument' 2; fi
    done
    prepare_java
    if ! command -v mvn >/dev/null; then
        fail 'no mvn on the PATH; install Maven 3.6 or later for the tests'
    fi
    if [ "${1-}" = all ]; then
        shift
        command+=(-Dall)
        echo 'All tests: some seven minutes on two cores.'
    else
        echo 'The quick tests: about a minute on two cores. All of them: ./run.sh test all'
    fi
    command+=("$@")
    show "${command[@]}"
    mkfifo "$scratch/maven"
    telling <"$scratch/maven" &
    filter=$!
    while sleep 4 >/dev/null 2>&1; do echo "... $SECONDS s"; done &
    ticker=$!
    set -m # a group of its own: Ctrl-C comes here, not to Maven, which would print a stack trace
    "${command[@]}" </dev/null >"$scratch/maven" 2>&1 &
    maven=$!
    set +m
    wait "$maven"
    status=$?
    maven=''
    kill "$ticker"
    wait "$filter"
    exit "$status"
}

# Of what Maven says, all but what is for information; of that, how the tests went.
telling() {
    local line
    while IFS= read -r line; do
        case $line in
            *'Tests run:'* | *BUILD*) printf '%s\n' "$line" ;;
            '' | *'[INFO]'*) ;;
            *) printf '%s\n' "$line" ;;
        esac
    done
}

# ---------------------------------------------------------------- helpers

prepare_java() {
    local java
    if [ -n "${JAVA_HOME-}" ]; then
        if [ ! -x "$JAVA_HOME/bin/java" ]; then fail "no java in $JAVA_HOME/bin"; fi
        JAVA_HOME=$(cd "$JAVA_HOME" && pwd) # it may be relative to where we were called
        PATH=$JAVA_HOME/bin:$PATH
    fi
    java=$(command -v java) || fail 'no java on the PATH; install a JDK, 11 or later'
    if [ "${java#/}" = "$java" ]; then PATH=$(cd "$(dirname "$java")" && pwd):$PATH; fi
    go_home
    mkdir -p results || exit 1 # it has said why
    # JDK 11 refuses a source beside its class. So the class path is a folder without classes.
    export CLASSPATH=results
    java -version >"$scratch/version" 2>&1
    release=$(LC_ALL=C sed -n 's/.* version "\(1\.\)*\([0-9]*\).*/\2/p' "$scratch/version")
    if [ -z "$release" ]; then
        cat "$scratch/version" >&2
        fail "$java does not tell its version; a JDK is needed, 11 or later"
    elif [ "$release" -lt 11 ]; then
        fail "a JDK is needed, 11 or later, and $java is $release"
    elif ! java --list-modules 2>&1 | grep '^jdk.compiler' >/dev/null; then
        fail "$java has no compiler (it is a JRE); a JDK is needed, 11 or later"
    fi
}

# Goes to the folder where this script is, also if it was called by a symbolic link.
go_home() {
    local file=$0 link
    while [ -L "$file" ]; do
        link=$(readlink "$file")
        if [ "${link#/}" = "$link" ]; then link=$(dirname "$file")/$link; fi
        file=$link
    done
    cd "$(dirname "$file")" || exit 1
}

# TERM, because what a script starts in the background ignores Ctrl-C; CONT, if it stands still.
stop_all() {
    local process
    if [ -n "$maven" ]; then kill -TERM -- "-$maven"; fi # with all that the tests have started
    for process in $(jobs -p); do
        kill -TERM "$process"
        kill -CONT "$process"
    done
    wait
    if [ -n "$cores" ]; then taskset -cp "$cores" $$; fi
    names=()
    labels=()
    : >"$scratch/errors"
} >/dev/null 2>&1

# Starts a server, and waits until it listens.
serve() { # NAME CLASS ARGUMENT...
    local line output="$scratch/$1.server"
    : >"$output" # at once: there could be what a server of an earlier demo said
    show java "$2.java" "${@:3}" '&'
    wait_for_enter
    java "$2.java" "${@:3}" >"$output" 2>>"$scratch/errors" &
    server=$!
    until grep -q 'listening on' "$output"; do
        if ! kill -0 "$server" 2>/dev/null; then
            finish "$server" "$output"
            cat "$output" "$scratch/errors" >&2
            fail "$2.java ended, and does not listen"
        fi
        sleep 0.05
    done
    line=$(grep 'listening on' "$output" | tr -d '\r') # on Windows lines end with CRLF
    echo "$line"
    echo "${line##*:}" >"$scratch/$1.port"
}

port() { # SERVER
    cat "$scratch/$1.port"
}

# Shows a command, and runs it; in the background, where a signal finds this script waiting.
run() { # OUTPUT COMMAND...
    show "${@:2}"
    wait_for_enter
    "${@:2}" >"$1" 2>>"$scratch/errors" &
    finish $! "$1"
}

# Waits until a program has ended. If it failed, so does all this, with all that it said.
finish() { # PROCESS OUTPUT
    local status
    wait "$1" && return
    status=$?
    cat "$2" "$scratch/errors" >&2
    if grep -qi 'in use' "$scratch/errors"; then
        echo 'run.sh: ./run.sh --port 0 --async-port 0 takes free ports' >&2
    fi
    exit "$status"
}

# Runs a client, and shows what it prints.
client() { # ARGUMENT...
    run "$scratch/client" java EchoClient.java "$@"
    cat "$scratch/client"
}

# Runs a benchmark; what it found is a result.
measure() { # NAME LABEL SERVER FILE ARGUMENT...
    step "$2: this takes some seconds."
    run "$scratch/client" java EchoClient.java --port "$(port "$3")" --bench "${@:5}" \
        --json "results/$4.json"
    result "$1" "$2" "results/$4.json"
}

# Reads a result. Its figures stand in a file, a line for each.
result() { # NAME LABEL JSON_FILE
    if [ ! -f "$3" ]; then fail "$3: no such file, or not a regular one" 2; fi
    names+=("$1")
    labels+=("$2")
    read_json <"$3" >"$scratch/$1.result"
    if [ "$(value "$1" valid)" != true ] || [ -z "$(value "$1" mean)" ]; then
        fail "$3: not a valid result of EchoClient --json" 2
    fi
}

has() { # RESULT
    [ -f "$scratch/$1.result" ]
}

# Reads JSON, however it is laid out: first a line for each text, sign and word, then one for each
# value, such as "warmup.messages 20000". Those of rtt_us have no name before theirs: "p99 28.131".
# Texts keep their quotes. Of a list there is a line for each text in it.
read_json() {
    head -c 4000000 | tr '\000\r\n\t' '    ' |
        LC_ALL=C grep -oE '"([^"\\]|\\.)*"|[][{}:,]|[^]["{}:, ]+' | LC_ALL=C awk '
            last == ":" && /^("|(true|false|[0-9.]+([eE][-+]?[0-9]+)?)$)/ { print prefix name, $0 }
            (last == "[" || last == ",") && list != "" && prefix == "" && /^"/ { print list, $0 }
            $0 == ":" { name = substr(last, 2, length(last) - 2) }
            $0 == "[" { list = name }
            $0 == "]" { list = "" }
            $0 == "{" && list != "" { prefix = list "." }
            $0 == "{" && last == ":" { prefix = name == "rtt_us" ? "" : name "." }
            $0 == "}" { prefix = "" }
            { last = $0 }'
}

# A value of a result; nothing, if the result has none.
value() { # RESULT NAME
    LC_ALL=C awk -v name="$2" '$1 == name { print substr($0, length(name) + 2) }' \
        "$scratch/$1.result"
}

# A text of a result, without its quotes.
words() { # RESULT NAME
    value "$1" "$2" | sed -e 's/^"\(.*\)"$/\1/' -e 's/\\\(["\\]\)/\1/g'
}

# How figures are written, in awk.
# shellcheck disable=SC2016
figures='
    # Three digits that count, at least. Microseconds may become larger units.
    function digits(n, unit,    text) {
        if (unit == " us" && n >= 999500) { n /= 1000000; unit = " s" }
        if (unit == " us" && n >= 999.5) { n /= 1000; unit = " ms" }
        text = sprintf(n >= 999.5 && n < 1e9 ? "%.0f" : "%#.3g", n)
        sub(/\.$/, "", text)
        return text unit
    }
    # A figure as people read it: "28.1 us".
    function figure(name, n) {
        if (n == "") return "-"
        if (name ~ /^(message_bytes|connections|messages)$/) return n
        if (name ~ /^(messages_s|throughput_mib_s|reads_mean|memory_kib)$/) return digits(n, "")
        return digits(n, " us")
    }
    # How many times as much one figure is as another, such as "2.50x".
    function ratio(this, other) {
        if (this == "" || other == "" || other <= 0) return "-"
        if (this > 0 && this < 0.001 * other) return "<0.001x"
        if (this > 99999 * other) return ">99999x"
        return digits(this / other, "x")
    }'

us() { # RESULT NAME
    LC_ALL=C awk -v name="$2" "$figures"'
        $1 == name { n = $2 }
        END { print figure(name, n) }' "$scratch/$1.result"
}

ratio() { # RESULT RESULT NAME
    LC_ALL=C awk -v name="$3" "$figures"'
        FNR == 1 { files++ }
        $1 == name && files == 1 { this = $2 }
        $1 == name && files == 2 { other = $2 }
        END { print ratio(this, other) }' "$scratch/$1.result" "$scratch/$2.result"
}

three_digits() { # NUMBER UNIT
    LC_ALL=C awk -v n="$1" -v unit="$2" "$figures"'
        BEGIN { print digits(n, unit) }'
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
