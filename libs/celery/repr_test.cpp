#include "umbel/celery/repr.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "umbel/celery/json.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

std::string printed(std::string_view text) { return repr(parse_json(text).value()); }

TEST(Repr, prints_scalars_as_python_does) {
  EXPECT_EQ(printed("null"), "None");
  EXPECT_EQ(printed("true"), "True");
  EXPECT_EQ(printed("false"), "False");
  EXPECT_EQ(printed("-5"), "-5");
  EXPECT_EQ(printed("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(printed("1.0"), "1.0");
  EXPECT_EQ(printed("1e16"), "1e+16");
  EXPECT_EQ(printed("NaN"), "nan");
  EXPECT_EQ(printed("-Infinity"), "-inf");
  EXPECT_EQ(printed("\"ok\""), "'ok'");
}

TEST(Repr, escapes_only_single_quotes_in_texts) {
  EXPECT_EQ(repr("q'uote"), "'q\\'uote'");
  EXPECT_EQ(repr("a\n\\\"é"), "'a\n\\\"é'");
}

TEST(Repr, prints_arguments_as_tuple_and_mapping) {
  EXPECT_EQ(repr_args({}), "()");
  EXPECT_EQ(repr_args({1}), "(1,)");
  EXPECT_EQ(repr_args({1, "b"}), "(1, 'b')");
  EXPECT_EQ(repr_kwargs({}), "{}");
  EXPECT_EQ(repr_kwargs({{"y", "é"}, {"x", 1}}), "{'y': 'é', 'x': 1}");
  EXPECT_EQ(printed(R"([[], {}, [1, {"a": null}]])"), "[[], {}, [1, {'a': None}]]");
}

TEST(Repr, cuts_the_fourth_level_as_the_captured_message_does) {
  const auto args = parse_json(R"([[1, [2, [3, 4]]], {"k": {"q'uote\n": [5]}}])").value();
  EXPECT_EQ(repr_args(args.as_array()), "([1, [2, [...]]], {'k': {'q\\'uote\n': [...]}})");
  EXPECT_EQ(printed("[[[{}]]]"), "[[[{...}]]]");
}

TEST(Repr, ends_what_is_too_long_in_dots_and_closes_the_brackets) {
  json::array numbers;
  for (int i = 0; i < 1000; ++i) numbers.emplace_back(1000 + i);
  const std::string text = repr({{"k", numbers}});
  EXPECT_TRUE(text.starts_with("{'k': [1000, 1001, ")) << text;
  EXPECT_TRUE(text.ends_with(", ...]}")) << text.substr(text.size() - 30);
  EXPECT_LT(text.size(), kReprLimit + 20);
}

TEST(Repr, prints_no_more_than_the_limit_of_anything) {
  json::object object;
  for (int i = 0; i < 500; ++i) object[std::string(static_cast<std::size_t>(i), 'k')] = "value";
  const std::string text = repr_kwargs(object);
  EXPECT_LT(text.size(), kReprLimit + 60);
  EXPECT_TRUE(text.ends_with(", ...}")) << text.substr(text.size() - 30);
}

TEST(Repr, cuts_a_long_text_at_a_space) {
  const std::string words = std::string(600, 'a') + " " + std::string(600, 'b');
  EXPECT_EQ(repr(json::value(words)), "'" + std::string(600, 'a') + "...'");
  const std::string solid(2000, 'x');
  EXPECT_EQ(repr(json::value(solid)), "'" + std::string(kReprLimit, 'x') + "...'");
}

TEST(Repr, counts_characters_and_not_bytes) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "é";
  EXPECT_EQ(repr(json::value(text)), "'" + text + "'");
  for (int i = 0; i < 1000; ++i) text += "é";
  EXPECT_EQ(repr(json::value(text)), "'" + text.substr(0, 2 * kReprLimit) + "...'");
}

TEST(Repr, prints_an_exception_as_pythons_repr) {
  EXPECT_EQ(repr_exception("ValueError", "boom"), "ValueError('boom')");
  EXPECT_EQ(repr_exception("KeyError", "it's"), "KeyError(\"it's\")");
  EXPECT_EQ(repr_exception("KeyError", "'\"\\"), "KeyError('\\'\"\\\\')");
  EXPECT_EQ(repr_exception("E", "a\nb\x01"), "E('a\\nb\\x01')");
  EXPECT_EQ(repr_exception("SoftTimeLimitExceeded", ""), "SoftTimeLimitExceeded()");
  EXPECT_EQ(repr_exception("E", std::string(5000, 'x')).size(), kReprLimit + 6);
}

}  // namespace
}  // namespace umbel::celery
