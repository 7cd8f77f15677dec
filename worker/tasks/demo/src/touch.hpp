// Appends lines to files below one folder, and nowhere else, whatever the path says.
#pragma once

#include <string>

namespace umbel {

// Appends `token` and a newline to `path` below `folder`, in one write, so that lines of several
// processes never mix. Missing folders are not made. Throws FinalTaskError("ValueError", …) for an
// absolute path, `..`, a symbolic link on the way or at the end, something that is no regular file,
// or a token with a newline; TaskError("OSError", …) when the system refuses.
void touch_below(const std::string& folder, const std::string& path, const std::string& token);

}  // namespace umbel
