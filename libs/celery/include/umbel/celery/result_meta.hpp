// The documents by which Celery's programs tell one another how a task ended (backends/base.py:
// _get_result_meta), between text and a value. Pure.
//
// A Python caller makes an exception out of what it reads, by module and name: a failure that is
// null, a plain string or the name of something else raises in its hands, so none is written.
#pragma once

#include <string>
#include <string_view>

#include "umbel/base/result.hpp"
#include "umbel/model/caller_result.hpp"

namespace umbel::celery {

// What a key-value backend keeps: with date_done (six digits and +00:00), group_id and parent_id
// where they are set. `result.result` is valid JSON.
[[nodiscard]] std::string encode_result_meta(const CallerResult& result);
// What rpc:// sends: the same without those.
[[nodiscard]] std::string encode_result_message(const CallerResult& result);

// Reads either, from any Celery 5.x, `result_extended` too. Typed values of kombu stay as they are
// written. Errc::Invalid names what is missing or wrong; unknown keys are passed over.
[[nodiscard]] Result<FoundResult> decode_result_meta(std::string_view text);

// Whether a kept document says SUCCESS, which no later state replaces.
[[nodiscard]] bool says_success(std::string_view text);

// `[["<id>", null], null]`, a group's with its members' instead of the last null.
[[nodiscard]] std::string encode_result_tree(const ResultTree& tree);
// What GroupResult.save() keeps: {"result": <its tuple>}. Both directions. A parent in a tuple is
// passed over.
[[nodiscard]] std::string encode_group(const ResultTree& group);
[[nodiscard]] Result<ResultTree> decode_group(std::string_view text);

// An exception document as Python may read it: JSON text of an object with the three keys. A type
// that C++ names as a builtin and Python does not know as an ordinary exception gets a module of
// its own, where a caller makes a new class of that name; Celery's and billiard's get theirs. What
// is no such document becomes a RuntimeError that holds it.
[[nodiscard]] std::string exception_for_python(std::string_view document);

// `ValueError('oops', 42)`, of an exception document; of anything else its text.
[[nodiscard]] std::string repr_of_exception(std::string_view document);

}  // namespace umbel::celery
