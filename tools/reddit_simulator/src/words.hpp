// What the simulated people write. All of it is invented; links lead to `.example` hosts, which
// exist nowhere.
#pragma once

#include <string>
#include <string_view>

#include "dice.hpp"

namespace umbel::reddit_simulator {

[[nodiscard]] std::string made_title(Dice& dice);  // 2 to 300 characters, as Reddit allows
[[nodiscard]] std::string made_text(
    Dice& dice);  // Markdown of up to a few thousand characters; sometimes empty
[[nodiscard]] std::string made_author(Dice& dice);  // 3 to 20 of [A-Za-z0-9_-]
[[nodiscard]] std::string made_comment(Dice& dice);
[[nodiscard]] std::string made_flair(Dice& dice);
[[nodiscard]] std::string made_domain(Dice& dice);

// A title as it stands in a permalink: lower case, words joined by `_`, at most 50 characters.
[[nodiscard]] std::string slug_of(std::string_view title);
// Markdown's paragraphs as Reddit's HTML.
[[nodiscard]] std::string html_of(std::string_view text);

}  // namespace umbel::reddit_simulator
