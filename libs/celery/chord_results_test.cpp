#include "umbel/celery/chord_results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "umbel/celery/json.hpp"

namespace umbel::celery {
namespace {

using ::testing::HasSubstr;
using Is = ChordReturn::Is;

std::string part(const std::string& id, const std::string& result,
                 TaskState state = TaskState::Success) {
  return encode_chord_part({"g", {}, TaskId{id}, state, result});
}

std::string value_error() {
  return R"({"exc_type": "ValueError", "exc_message": ["oops", 42], "exc_module": "builtins"})";
}

Result<FoundResult> nobody(const TaskId& id) { return not_found("no result of " + id.str()); }

TEST(ChordResults, PartsAreWrittenAsCeleryDoes) {
  EXPECT_EQ(part("t1", "3"), R"([1, "t1", "SUCCESS", 3])");
  const auto read = decode_chord_part(R"([1, "t1", "FAILURE", {"exc_type": "X"}])");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(*read, (ChordPart{{}, {}, TaskId{"t1"}, TaskState::Failure, R"({"exc_type": "X"})"}));
}

TEST(ChordResults, RefusesWhatIsNoPart) {
  for (const char* text : {"", "7", "[]", R"([1, "t", "SUCCESS"])", R"([1, 2, "SUCCESS", 3])",
                           R"([1, "t", "STARTED", 3])", R"([1, "t", 4, 3])"}) {
    EXPECT_FALSE(decode_chord_part(text)) << text;
  }
}

TEST(ChordResults, JoinsInTheOrderGivenAndLeavesValuesAlone) {
  const std::vector<std::string> parts{
      part("b", "NaN"), part("a", R"({"__type__": "date", "__value__": "2030-01-02"})"),
      part("c", "null")};
  EXPECT_EQ(
      join_chord(parts),
      (ChordReturn{
          Is::Complete, R"([NaN, {"__type__": "date", "__value__": "2030-01-02"}, null])", {}}));
  EXPECT_EQ(join_chord({}).results, "[]");
}

TEST(ChordResults, SaysWhichPartFailedAsAChordErrorDoes) {
  const std::vector<std::string> parts{part("a", "1"), part("b", value_error(), TaskState::Failure),
                                       part("c", value_error(), TaskState::Revoked)};
  EXPECT_EQ(join_chord(parts),
            (ChordReturn{Is::Failed, {}, "Dependency b raised ValueError('oops', 42)"}));
}

TEST(ChordResults, APartThatCannotBeReadFailsTheChord) {
  const std::vector<std::string> parts{part("a", "1"), "gibberish"};
  const auto joined = join_chord(parts);
  EXPECT_EQ(joined.is, Is::Failed);
  EXPECT_THAT(joined.reason, HasSubstr("Join error"));
}

TEST(ChordResults, NestedGroupsGiveNestedResults) {
  const std::vector<std::string> parts{part("c", "3"), part("a", "1"), part("b", "2")};
  const ResultTree form{"g", true, {{"a"}, {"g2", true, {{"b"}, {"g3", true, {{"c"}}}}}}};
  EXPECT_EQ(join_chord(parts, form, nobody).results, "[1, [2, [3]]]");
}

TEST(ChordResults, AMemberThatIsNoPartIsLookedUp) {
  const std::vector<std::string> parts{part("a", "1")};
  const ResultTree form{"g", true, {{"a"}, {"body"}}};
  FoundResult found;
  found.result.id = TaskId{"body"};
  found.result.result = "[7]";
  const auto looked_up = [&](const TaskId&) -> Result<FoundResult> { return found; };

  EXPECT_EQ(join_chord(parts, form, looked_up).results, "[1, [7]]");
  found.result.state = TaskState::Started;
  EXPECT_THAT(join_chord(parts, form, looked_up).reason, HasSubstr("has not ended"));
  found.result.state = TaskState::Failure;
  found.result.result = value_error();
  EXPECT_EQ(join_chord(parts, form, looked_up).reason,
            "Dependency body raised ValueError('oops', 42)");
  EXPECT_THAT(join_chord(parts, form, nobody).reason, HasSubstr("no result of body"));
}

}  // namespace
}  // namespace umbel::celery
