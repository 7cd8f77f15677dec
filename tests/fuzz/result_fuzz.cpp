// What other programs leave where results are kept: a task's result, a chord's part, a group.
// Input: one text, which is read as each.
#include "fuzz_one.hpp"
#include "umbel/celery/chord_results.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/result_meta.hpp"

namespace umbel::fuzz {
namespace {

template <class T>
bool refused(const Result<T>& read) {
  if (read) return false;
  require(read.error().code == Errc::Invalid && !read.error().what.empty(), "a refusal says why");
  require(read.error().what.size() < 1000, "a refusal is short", read.error().what);
  return true;
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  if (const auto meta = celery::decode_result_meta(text); !refused(meta)) {
    const auto written = celery::encode_result_meta(meta->result);
    const auto again = celery::decode_result_meta(written);
    require(again.has_value(), "a result that was written can be read", written);
    require(celery::encode_result_meta(again->result) == written, "twice gives the same", written);
    require(celery::says_success(text) == (meta->result.state == TaskState::Success),
            "a success is known as one", text);
    const auto sent = celery::decode_result_meta(celery::encode_result_message(meta->result));
    require(sent && sent->result.state == meta->result.state, "a message says the same", written);
  }
  if (const auto part = celery::decode_chord_part(text); !refused(part)) {
    const auto written = celery::encode_chord_part(*part);
    const auto again = celery::decode_chord_part(written);
    require(again && celery::encode_chord_part(*again) == written, "a part reads as it was",
            written);
  }
  if (const auto group = celery::decode_group(text); !refused(group)) {
    const auto again = celery::decode_group(celery::encode_group(*group));
    require(again && *again == *group, "a group reads as it was", text);
  }
  const auto exception = celery::exception_for_python(text);
  require(celery::parse_json(exception).has_value(), "an exception is JSON", exception);
  require(celery::exception_for_python(exception) == exception, "and stays as it is", exception);
  require(celery::repr_of_exception(text).size() <= 1100, "its text is short", text);
  const std::string parts[] = {text, "[1, \"a\", \"SUCCESS\", 1]"};
  const auto joined = celery::join_chord(parts);
  require(joined.is != ChordReturn::Is::Complete || celery::parse_json(joined.results).has_value(),
          "results that were joined are JSON", joined.results);
}

}  // namespace umbel::fuzz
