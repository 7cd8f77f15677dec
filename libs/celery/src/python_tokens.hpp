// What Python's json module writes and JSON does not know: the bare tokens NaN, Infinity and
// -Infinity, and halves of surrogate pairs.
//
// They are rare, so reading tries the plain parser first and rewrites a text only after that
// failed. A rewritten text has the same length, so that positions in errors stay true.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace umbel::celery {

struct RewrittenText {
  std::string text;               // NaN as `0.0`, Infinity as a number too large for a double
  std::vector<std::size_t> nans;  // where each NaN stood, ascending
};

enum class LoneSurrogates {
  Keep,     // the parser will refuse them: an argument is never altered
  Replace,  // by U+FFFD: enough where the text is only shown
};

// Nothing if there was nothing to rewrite.
[[nodiscard]] std::optional<RewrittenText> rewrite_python_tokens(std::string_view text,
                                                                 LoneSurrogates surrogates);

// The number that `raw` spells, exactly rounded, as Python reads it; the infinities where it is too
// large. The parser's own value can be off in the last digit.
[[nodiscard]] double exact_double(std::string_view raw);

}  // namespace umbel::celery
