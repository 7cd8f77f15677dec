// How the results of a chord's header travel to its body over Redis (backends/redis.py:
// on_chord_part_return). Pure.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"
#include "umbel/model/caller_result.hpp"

namespace umbel::celery {

// `[1, "<task id>", "SUCCESS", <result or exception document>]`. Reading leaves group and index
// empty.
[[nodiscard]] std::string encode_chord_part(const ChordPart& part);
[[nodiscard]] Result<ChordPart> decode_chord_part(std::string_view text);

// The parts as they were kept, in the order of the header, joined for the body: Complete or Failed,
// by the first part that failed or cannot be read. Values pass through as they are written.
[[nodiscard]] ChordReturn join_chord(std::span<const std::string> parts);

// The same in the form of a header that has groups in it. `missing` finds the result of a task that
// is not among the parts: a header's group may end in a chord's body.
[[nodiscard]] ChordReturn join_chord(
    std::span<const std::string> parts, const ResultTree& form,
    const std::function<Result<FoundResult>(const TaskId&)>& missing);

}  // namespace umbel::celery
