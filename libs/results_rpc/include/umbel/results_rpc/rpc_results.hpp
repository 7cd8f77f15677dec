// Callers' results as answers to the queue that came with each message (`rpc://`, backends/rpc.py):
// nothing is kept, and nobody but that caller can read it.
#pragma once

#include <memory>

#include "umbel/broker/broker.hpp"
#include "umbel/results/caller_results.hpp"

namespace umbel {

// `broker` outlives what is returned. A result without reply_to goes nowhere; an answer to a queue
// that is gone is dropped by the broker. find() knows nothing, and chords cannot be counted.
[[nodiscard]] std::unique_ptr<CallerResults> make_rpc_results(Broker& broker);

}  // namespace umbel
