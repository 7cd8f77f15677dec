// What kind of error a failed task ended with, so that ten thousand failures become one line.
//
// Two failures are of one kind if their exceptions have the same type, the same message once
// everything that differs from task to task (numbers, ids, quoted values, addresses) is taken out
// of it, and were raised in the same place as far as a traceback tells. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "umbel/model/task.hpp"

namespace umbel {

// An exception as tasks tell it, `ValueError('no such thing: 17')`, taken apart.
struct ExceptionText {
  std::string type;     // `ValueError`; empty: it does not look like an exception
  std::string message;  // as it was told, without the quotes around it
};

[[nodiscard]] ExceptionText exception_text(std::string_view exception);
// The message with numbers, ids and quoted values as `#`; at most 300 bytes.
[[nodiscard]] std::string normalised_message(std::string_view message);
// 16 hexadecimal digits. Of a traceback, the innermost three frames' files and functions count.
[[nodiscard]] std::string fingerprint(std::string_view exception, std::string_view traceback);
// Of a task that has failed; nothing for any other, and for one whose exception is not known.
[[nodiscard]] std::optional<std::string> error_fingerprint(const Task& task);

}  // namespace umbel
