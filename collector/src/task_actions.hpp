// What may be done to a task, and why not. Pure: the detail of a task says it beforehand, and who
// does it asks again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "umbel/model/task.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel::collector {

struct Permission {
  bool allowed = false;
  std::string why;  // when it is not allowed; else what will happen
};

// The whole arguments of a task as JSON texts, an array and an object.
struct CallArguments {
  std::string args, kwargs;
};

// From the message that it was accepted with, else from the texts that events told. Nothing: they
// are not known whole.
[[nodiscard]] std::optional<CallArguments> call_arguments(const Task& task,
                                                          const KeptArguments& kept);

// As a new task of the same name, arguments and queue. `known`: call_arguments() has them; `bytes`:
// how many they have, 0 where that is not known.
[[nodiscard]] Permission may_retry(const Task& task, bool known, std::uint64_t bytes = 0);

// So that it never starts.
[[nodiscard]] Permission may_revoke(const Task& task);

// While it runs: its worker kills the process that runs it. `pool`: the kind of its worker's pool,
// empty where that is not known; `online`: whether the worker is.
[[nodiscard]] Permission may_terminate(const Task& task, const std::string& pool, bool online);

}  // namespace umbel::collector
