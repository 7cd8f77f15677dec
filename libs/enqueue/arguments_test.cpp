#include "arguments.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace umbel::enqueue {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

CatalogueEntry delayed_add() {
  CatalogueEntry entry;
  entry.name = "demo.delayed_add";
  entry.parameters = {{"x", "integer", true, ""},
                      {"y", "number", true, ""},
                      {"seconds", "number", false, "5"},
                      {"note", "string", false, "null"}};
  return entry;
}

std::string fault_of(const CatalogueEntry& entry, const std::string& args,
                     const std::string& kwargs) {
  const auto given = read_arguments(entry.name, args, kwargs);
  if (!given) return given.error().what;
  const auto checked = check_arguments(entry, *given);
  if (checked) return "";
  EXPECT_EQ(checked.error().code, Errc::Invalid);
  return checked.error().what;
}

struct Case {
  const char* what;
  const char* args;
  const char* kwargs;
  std::vector<const char*> named;  // in the error; none: it is accepted
};

class ArgumentsOfATask : public ::testing::TestWithParam<Case> {};

TEST_P(ArgumentsOfATask, AreAcceptedOrTheFaultIsNamed) {
  const auto& given = GetParam();

  const auto fault = fault_of(delayed_add(), given.args, given.kwargs);

  if (given.named.empty()) {
    EXPECT_EQ(fault, "");
    return;
  }
  EXPECT_THAT(fault, HasSubstr("demo.delayed_add"));
  for (const auto* part : given.named) EXPECT_THAT(fault, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Table, ArgumentsOfATask,
    ::testing::Values(
        Case{"ByPosition", "[1, 2.5]", "{}", {}}, Case{"ByName", "[]", R"({"y": 2, "x": 1})", {}},
        Case{"Mixed", "[1]", R"({"y": 2, "seconds": 0.5})", {}},
        Case{"NullWhereTheDefaultIsNull", "[1, 2, 3, null]", "{}", {}},
        Case{"NullWhereTheDefaultIsNot", "[1, 2, null]", "{}", {"`seconds`", "number", "null"}},
        Case{"NullForARequired", "[null, 2]", "{}", {"`x`", "integer", "null"}},
        Case{"Missing", "[1]", "{}", {"`y`", "missing", "x (integer)"}},
        Case{"Unknown", "[1, 2]", R"({"colour": 3})", {"unknown", "`colour`", "seconds"}},
        Case{"Misspelt", "[1, 2]", R"({"second": 3})", {"`second`", "did you mean `seconds`"}},
        Case{"TooMany", "[1, 2, 3, null, 5]", "{}", {"5 arguments", "at most 4"}},
        Case{"Twice", "[1, 2]", R"({"x": 3})", {"`x`", "twice"}},
        Case{"FractionForInteger", "[1.5, 2]", "{}", {"`x`", "integer", "number"}},
        Case{"TextForInteger", R"(["1", 2])", "{}", {"`x`", "integer", "string"}},
        Case{"BooleanForNumber", "[1, true]", "{}", {"`y`", "number", "boolean"}},
        Case{"ArrayForText", "[1, 2, 3, []]", "{}", {"`note`", "string", "array"}},
        Case{"ArgsAreNoJson", "[1,", "{}", {"args", "not JSON"}},
        Case{"KwargsAreNoJson", "[]", "{'x': 1}", {"kwargs", "not JSON"}},
        Case{"ArgsAreNoArray", "{}", "{}", {"args", "array", "object"}},
        Case{"KwargsAreNoObject", "[]", "3", {"kwargs", "object", "integer"}}),
    [](const auto& table) { return table.param.what; });

TEST(Arguments, OfTypeAnyTakeAnything) {
  CatalogueEntry entry;
  entry.name = "echo";
  entry.parameters = {{"value", "any", true, ""}};

  for (const auto* value : {"null", "true", "1", "1.5", "\"x\"", "[1]", "{\"a\": 1}"}) {
    EXPECT_EQ(fault_of(entry, "[" + std::string{value} + "]", "{}"), "") << value;
  }
}

TEST(Arguments, OfEveryTypeAreTold) {
  CatalogueEntry entry;
  entry.name = "all";
  entry.parameters = {
      {"flag", "boolean", true, ""}, {"list", "array", true, ""}, {"map", "object", true, ""}};

  EXPECT_EQ(fault_of(entry, "[true, [], {}]", "{}"), "");
  EXPECT_THAT(fault_of(entry, "[0, [], {}]", "{}"),
              AllOf(HasSubstr("`flag`"), HasSubstr("boolean")));
  EXPECT_THAT(fault_of(entry, "[true, {}, {}]", "{}"),
              AllOf(HasSubstr("`list`"), HasSubstr("array")));
  EXPECT_THAT(fault_of(entry, "[true, [], []]", "{}"),
              AllOf(HasSubstr("`map`"), HasSubstr("object")));
}

TEST(Arguments, OfATaskWithoutParametersAreNone) {
  CatalogueEntry entry;
  entry.name = "noop";

  EXPECT_EQ(fault_of(entry, "[]", "{}"), "");
  EXPECT_THAT(fault_of(entry, "[1]", "{}"), HasSubstr("it takes no arguments"));
}

}  // namespace
}  // namespace umbel::enqueue
