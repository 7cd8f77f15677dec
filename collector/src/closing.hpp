// The end of a task as an event, made from its stored result: for when the worker's own event was
// lost. Pure.
#pragma once

#include "umbel/model/event.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel::collector {

// `stored` has a final state. Texts are what an event would carry: Python's way of writing values.
[[nodiscard]] TaskEvent closing_event(const StoredTask& stored);

}  // namespace umbel::collector
