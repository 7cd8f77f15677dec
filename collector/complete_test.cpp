#include "complete.hpp"

#include <gtest/gtest.h>

namespace umbel::collector {
namespace {

Vocabulary known() {
  Vocabulary words;
  words.states = {{.text = "failed", .count = 3}, {.text = "succeeded", .count = 7}};
  words.names = {{.text = "demo.add", .count = 5}, {.text = "my task"}, {.text = "reddit.fetch"}};
  words.workers = {{.text = "w1@host"}};
  words.queues = {{.text = "default"}};
  return words;
}

std::vector<std::string> texts(const Completion& made) {
  std::vector<std::string> all;
  for (const auto& option : made.options) all.push_back(option.text);
  return all;
}

// The text with every option put in its place.
std::vector<std::string> completed(const std::string& q, std::size_t at = std::string::npos) {
  const auto made = complete(q, at, known());
  std::vector<std::string> all;
  for (const auto& option : made.options)
    all.push_back(q.substr(0, made.from) + option.text + q.substr(made.to));
  return all;
}

TEST(Complete, KeysFirstThenNames) {
  EXPECT_EQ(completed("st"), std::vector<std::string>{"state:"});
  EXPECT_EQ(completed("x wo"), std::vector<std::string>{"x worker:"});
  EXPECT_EQ(completed("-na"), std::vector<std::string>{"-name:"});
  EXPECT_EQ(completed("dem"), std::vector<std::string>{"name:demo.add"});
  EXPECT_EQ(complete("", 0, known()).options.size(), 17U) << "every key";
}

TEST(Complete, ValuesOfTheKey) {
  EXPECT_EQ(completed("state:"), (std::vector<std::string>{"state:failed", "state:succeeded"}));
  EXPECT_EQ(completed("state:failed,su"), std::vector<std::string>{"state:failed,succeeded"});
  EXPECT_EQ(completed("-worker:W"), std::vector<std::string>{"-worker:w1@host"});
  EXPECT_EQ(completed("name:fetch"), std::vector<std::string>{"name:reddit.fetch"}) << "contained";
  EXPECT_EQ(complete("state:f", 7, known()).options.front().count, 3U);
  EXPECT_EQ(texts(complete("after:", 6, known())).front(), "-15m");
  EXPECT_TRUE(completed("id:x").empty());
}

TEST(Complete, InTheMiddleReplacesTheWholeValue) {
  EXPECT_EQ(completed("state:fxx name:a", 7), std::vector<std::string>{"state:failed name:a"});
  EXPECT_EQ(completed("state:fxx,succeeded", 7),
            std::vector<std::string>{"state:failed,succeeded"});
}

TEST(Complete, QuotesWhatHasASpace) {
  EXPECT_EQ(completed("name:my"), std::vector<std::string>{"name:\"my task\""});
  EXPECT_EQ(completed("name:\"my t"), std::vector<std::string>{"name:\"my task\""});
  EXPECT_EQ(completed("name:\"my t\" x", 9), std::vector<std::string>{"name:\"my task\" x"});
}

}  // namespace
}  // namespace umbel::collector
