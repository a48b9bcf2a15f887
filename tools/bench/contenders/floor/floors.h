// The floors by name. Each serves for ever on the calling thread and those it starts.
//
// What all of them leave out: checks of names (RESOLVE_BENEATH), of file types and of anything the
// client says; timeouts, limits, metrics, metadata of answers; changes of objects while they
// run.
#pragma once

#include "tools/bench/contenders/floor/listeners.h"
#include "tools/bench/contenders/floor/objects.h"

namespace objmapper::bench {

// `batch`: one message for all answers to what a receive brought.
[[noreturn]] void ServeFdPass(const Listeners& listeners, int root, bool poll, bool batch);
// V1; `threads` threads, each with connections of its own.
[[noreturn]] void ServeFdPassV1(const Listeners& listeners, int root, int threads);
[[noreturn]] void ServeCopyBuffer(const Listeners& listeners, const Objects& objects);
[[noreturn]] void ServeCopyMap(const Listeners& listeners, const Objects& objects);
[[noreturn]] void ServeCopyRing(const Listeners& listeners, const Objects& objects);
[[noreturn]] void ServeSplice(const Listeners& listeners, const Objects& objects);
[[noreturn]] void ServeSendfile(const Listeners& listeners, const Objects& objects);

}  // namespace objmapper::bench
