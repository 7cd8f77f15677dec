// The head of an answer as bytes, and the words for what CivetWeb refuses by itself. Pure.
#pragma once

#include <string>
#include <string_view>

#include "umbel/http/message.hpp"

namespace umbel::http {

// The status line and the headers, up to the empty line.
[[nodiscard]] std::string head_of(const Response& response, bool keep_alive);

// As for HEAD: the length stays.
void leave_out_body(Response& response);

// 503 that says when to come again.
[[nodiscard]] Response unavailable_response(std::string_view message);

// What CivetWeb answers with `status` before any handler; `method` is empty where none could be
// read, `late`: the head did not arrive in time.
[[nodiscard]] Response refusal_of(int status, std::string_view method, bool late);

[[nodiscard]] std::string lower(std::string_view text);  // of ASCII letters

}  // namespace umbel::http
