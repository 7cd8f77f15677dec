// Whom a remote-control request is meant for (kombu/pidbox.py: handle_message). Pure.
#pragma once

#include <string_view>

#include "umbel/base/result.hpp"
#include "umbel/celery/control.hpp"

namespace umbel {

// A list of nodes is looked at first, then a pattern together with its matcher; a request with
// neither is for everybody. Errc::Invalid: the pattern cannot be used, or the matcher is unknown.
[[nodiscard]] Result<bool> is_for(const celery::ControlRequest& request, std::string_view node);

// Python's fnmatch: `*`, `?`, `[seq]`, `[!seq]`.
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace umbel
