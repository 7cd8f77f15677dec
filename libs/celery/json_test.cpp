#include "umbel/celery/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "json_text.hpp"
#include "python_tokens.hpp"
#include "utf8.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

std::string fault(std::string_view text) {
  const auto value = parse_json(text);
  EXPECT_TRUE(value.has_error()) << text << " was read";
  if (!value.has_error()) return {};
  EXPECT_EQ(value.error().code, Errc::Invalid);
  return value.error().what;
}

json::value read(std::string_view text) {
  const auto value = parse_json(text);
  EXPECT_TRUE(value.has_value()) << text << ": " << value.error().what;
  return value.has_value() ? *value : json::value{};
}

TEST(Json, knows_what_is_too_deep) {
  json::value value;
  for (int i = 0; i < 3; ++i) value = json::array{value};
  EXPECT_FALSE(deeper_than(value, 3));
  EXPECT_TRUE(deeper_than(value, 2));
  EXPECT_TRUE(deeper_than(json::object{{"a", value}}, 3));
  EXPECT_FALSE(deeper_than(5, 0));
}

TEST(Json, reads_what_json_has) {
  const json::value value = read(R"( {"a": [1, -2, 1.5, true, false, null, "x"], "b": {}} )");
  EXPECT_EQ(value,
            (json::value{{"a", {1, -2, 1.5, true, false, nullptr, "x"}}, {"b", json::object{}}}));
}

TEST(Json, reads_the_bare_tokens_of_python) {
  const json::array values = read("[NaN, Infinity, -Infinity, \"NaN\", 1.5]").as_array();
  EXPECT_TRUE(std::isnan(values[0].as_double()));
  EXPECT_EQ(values[1].as_double(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(values[2].as_double(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(values[3], "NaN");
  EXPECT_EQ(values[4], 1.5);
  EXPECT_TRUE(std::isnan(read("NaN").as_double()));
}

TEST(Json, tells_a_nan_from_the_zero_beside_it) {
  const json::array values =
      read(R"({"k": [0.0, NaN, 0.0, NaN], "NaN": "Infinity"})").at("k").as_array();
  EXPECT_EQ(values[0], 0.0);
  EXPECT_TRUE(std::isnan(values[1].as_double()));
  EXPECT_EQ(values[2], 0.0);
  EXPECT_TRUE(std::isnan(values[3].as_double()));
}

TEST(Json, leaves_tokens_inside_texts_alone) {
  EXPECT_EQ(read(R"({"a \"NaN": "Infinity, -Infinity", "b": NaN})").at("a \"NaN"),
            "Infinity, -Infinity");
}

TEST(Json, refuses_words_that_only_begin_like_tokens) {
  for (const char* const text : {"Na", "nan", "NaNs", "Infinit", "-NaN", "+Infinity", "[Infinity1]",
                                 "1NaN", "--Infinity", "-1Infinity"}) {
    EXPECT_THAT(fault(text), HasSubstr("not JSON")) << text;
  }
}

TEST(Json, names_the_fault_and_its_byte) {
  EXPECT_EQ(fault(""), "not JSON: the text is empty");
  EXPECT_EQ(fault(" \n"), "not JSON: the text is empty");
  EXPECT_EQ(fault("[1, x]"), "not JSON: syntax error at byte 4");
  EXPECT_EQ(fault("[NaN, x]"), "not JSON: syntax error at byte 6");
  EXPECT_THAT(fault("[1] 2"), HasSubstr("extra data at byte 4"));
  EXPECT_THAT(fault("[1"), HasSubstr("incomplete JSON at byte 2"));
  EXPECT_EQ(fault("[\"\xff\"]"), "not JSON: no UTF-8 at byte 2");
}

TEST(Json, bounds_the_depth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(kMaxDepth)).has_value());
  EXPECT_THAT(fault(nested(kMaxDepth + 1)), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(fault(std::string(1'000'000, '[')), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(fault("[NaN," + std::string(100, '[')), HasSubstr("nested deeper"));
}

TEST(Json, rounds_numbers_as_python_does) {
  EXPECT_EQ(read("0.1").as_double(), 0.1);
  EXPECT_EQ(read("1795350738.1396167").as_double(), 1795350738.1396167);
  EXPECT_EQ(read("2.2250738585072011e-308").as_double(), 2.2250738585072011e-308);
  EXPECT_EQ(read("123456789012345678901234567890").as_double(), 123456789012345678901234567890.0);
  EXPECT_EQ(read("1e999").as_double(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(read("-1e999").as_double(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(read("1e-999").as_double(), 0.0);
  EXPECT_EQ(read("9223372036854775807").as_int64(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(read("-9223372036854775808").as_int64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(read("18446744073709551615").as_uint64(), std::numeric_limits<std::uint64_t>::max());
}

TEST(Json, refuses_half_a_surrogate_pair_rather_than_alter_an_argument) {
  EXPECT_THAT(fault(R"(["\ud800"])"), HasSubstr("not JSON"));
  EXPECT_EQ(read(R"(["\ud83c\udf3c"])").at(0), "\U0001F33C");
}

TEST(Json, unwraps_the_typed_values_of_kombu) {
  const auto unwrapped = [](std::string_view type, std::string_view value) {
    return to_json(read(R"({"__type__": ")" + std::string{type} + R"(", "__value__": )" +
                        std::string{value} + "}"));
  };
  EXPECT_EQ(unwrapped("datetime", R"("2030-01-02T03:04:05.678901+00:00")"),
            R"("2030-01-02T03:04:05.678901+00:00")");
  EXPECT_EQ(unwrapped("date", R"("2030-01-02")"), R"("2030-01-02")");
  EXPECT_EQ(unwrapped("time", R"("03:04:05")"), R"("03:04:05")");
  EXPECT_EQ(unwrapped("decimal", R"("1.10")"), R"("1.10")");
  EXPECT_EQ(unwrapped("bytes", R"("raw")"), R"("raw")");
  EXPECT_EQ(unwrapped("base64", R"("/w==")"), R"("/w==")");
  EXPECT_EQ(unwrapped("uuid", R"({"hex": "89eb56dd9748441dA924607a52f72fe2"})"),
            R"("89eb56dd-9748-441d-a924-607a52f72fe2")");
}

TEST(Json, unwraps_typed_values_wherever_they_stand) {
  EXPECT_EQ(to_json(read(R"([[{"__type__": "datetime", "__value__": "2030"},
                             {"d": {"__value__": "x", "__type__": "date"}}]])")),
            R"([["2030", {"d": "x"}]])");
}

TEST(Json, keeps_objects_that_only_look_typed) {
  for (const char* const text :
       {R"({"__type__": "Fraction", "__value__": "1/2"})",
        R"({"__type__": "datetime", "__value__": "x", "more": 1})", R"({"__type__": "datetime"})",
        R"({"__type__": "datetime", "__value__": 1})", R"({"__type__": 1, "__value__": "x"})",
        R"({"__type__": "uuid", "__value__": "x"})",
        R"({"__type__": "uuid", "__value__": {"hex": "12"}})",
        R"({"__type__": "uuid", "__value__": {"hex": "zzeb56dd9748441da924607a52f72fe2"}})"}) {
    EXPECT_EQ(to_json(read(text)), text);
  }
}

TEST(Json, writes_the_separators_of_python) {
  const json::value value{{"a", {1, 2, json::array{}}}, {"b", json::object{}}, {"c", nullptr}};
  EXPECT_EQ(to_json(value), R"({"a": [1, 2, []], "b": {}, "c": null})");
  EXPECT_EQ(to_json(true), "true");
}

TEST(Json, writes_ascii_only) {
  EXPECT_EQ(to_json("é€\U0001F33C"), R"("\u00e9\u20ac\ud83c\udf3c")");
  EXPECT_EQ(to_json("\"\\/\b\f\n\r\t\x01\x7f"), R"("\"\\/\b\f\n\r\t\u0001\u007f")");
  EXPECT_EQ(to_json(json::string_view{"a\0b", 3}), R"("a\u0000b")");
  EXPECT_EQ(to_json("a\xff"
                    "b\xc3"),
            R"("a\ufffdb\ufffd")");
}

TEST(Json, writes_floats_as_python_prints_them) {
  for (const auto& [number, text] : std::initializer_list<std::pair<double, const char*>>{
           {1.0, "1.0"},
           {-0.0, "-0.0"},
           {0.1, "0.1"},
           {100000.0, "100000.0"},
           {1e15, "1000000000000000.0"},
           {1e16, "1e+16"},
           {1.5e-7, "1.5e-07"},
           {0.0001, "0.0001"},
           {0.00001, "1e-05"},
           {1e300, "1e+300"},
           {5e-324, "5e-324"},
           {1795350738.1396167, "1795350738.1396167"}}) {
    EXPECT_EQ(to_json(number), text);
  }
}

TEST(Json, writes_null_for_what_is_no_number) {
  EXPECT_EQ(to_json(json::array{std::nan(""), HUGE_VAL, -HUGE_VAL}), "[null, null, null]");
}

TEST(Json, reads_back_every_float_it_writes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random{seed};
  for (int i = 0; i < 20'000; ++i) {
    const auto number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    const std::string text = to_json(number);
    ASSERT_EQ(std::bit_cast<std::uint64_t>(read(text).as_double()),
              std::bit_cast<std::uint64_t>(number))
        << text;
  }
}

TEST(Json, describes_an_exception_as_celery_does) {
  EXPECT_EQ(to_json(exception_document("ValueError", "boom")),
            R"({"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"})");
  EXPECT_EQ(
      to_json(exception_document("SoftTimeLimitExceeded", "", "billiard.exceptions")),
      R"({"exc_type": "SoftTimeLimitExceeded", "exc_message": [], "exc_module": "billiard.exceptions"})");
}

TEST(Utf8, accepts_the_edges_of_every_length_and_nothing_beyond) {
  for (const char* const good :
       {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_FALSE(first_invalid_utf8(good)) << good;
  }
  for (const char* const bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x90\x80"}) {
    EXPECT_EQ(first_invalid_utf8(std::string{"a"} + bad), 1U) << bad;
  }
}

TEST(PythonTokens, keep_the_length_of_the_text) {
  const std::string_view text = R"([NaN, -Infinity, "\ud800x"])";
  const auto rewritten = rewrite_python_tokens(text, LoneSurrogates::Replace);
  ASSERT_TRUE(rewritten);
  EXPECT_EQ(rewritten->text, R"([0.0, -1e999999, "\ufffdx"])");
  EXPECT_EQ(rewritten->nans, std::vector<std::size_t>{1});
  EXPECT_FALSE(rewrite_python_tokens(R"(["NaN", "\ud83c\udf3c", 1])", LoneSurrogates::Replace));
}

}  // namespace
}  // namespace umbel::celery
