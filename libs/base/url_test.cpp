#include "umbel/base/url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace umbel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Unquoted, UndoesEscapesAndNothingElse) {
  EXPECT_EQ(unquoted(""), "");
  EXPECT_EQ(unquoted("a+b/c"), "a+b/c");
  EXPECT_EQ(unquoted("%2f%2F%41%c3%BC"), "//A\xC3\xBC");
  EXPECT_EQ(unquoted("100%25"), "100%");
  EXPECT_EQ(unquoted("%2541"), "%41");
  for (const char* broken : {"%", "a%4", "%zz", "%4g", "%%41", "%00", "a%00b"}) {
    EXPECT_FALSE(unquoted(broken)) << broken;
  }
  EXPECT_FALSE(unquoted(std::string_view{"a\0b", 3}));
}

TEST(WholeNumber, TakesAllOfTheTextOrNothing) {
  EXPECT_EQ(whole_number("0", 0, 9), 0);
  EXPECT_EQ(whole_number("-7", -7, 9), -7);
  EXPECT_EQ(whole_number("9", 0, 9), 9);
  for (const char* wrong :
       {"", " 1", "1 ", "+1", "1.0", "1x", "10", "-1", "99999999999999999999"}) {
    EXPECT_FALSE(whole_number(wrong, 0, 9)) << wrong;
  }
}

TEST(SplitOff, CutsAtTheFirstMark) {
  std::string_view text = "a/b/c";
  EXPECT_EQ(split_off(text, '/'), "b/c");
  EXPECT_EQ(text, "a");
  EXPECT_EQ(split_off(text, '/'), "");
  EXPECT_EQ(text, "a");
}

UrlAuthority read(std::string_view text) {
  auto authority = parse_authority(text);
  if (!authority) throw std::runtime_error{authority.error().what};
  return *authority;
}

TEST(Authority, ReadsWhatIsSaid) {
  const auto all = read("ann%40home:p%3Aw%2F@ex%61mple.org:15");
  EXPECT_EQ(all.user, "ann@home");
  EXPECT_EQ(all.password, "p:w/");
  EXPECT_EQ(all.host, "example.org");
  EXPECT_EQ(all.port, 15);
  const auto none = read("");
  EXPECT_EQ(none.user + none.password + none.host, "");
  EXPECT_FALSE(none.port);
  EXPECT_EQ(read(":a@b@h").password, "a@b");
  EXPECT_EQ(read("me@h").user, "me");
  EXPECT_EQ(read("[::1]").host, "::1");
  EXPECT_EQ(read("[::1]:99").port, 99);
  EXPECT_FALSE(read("h:").port);
}

std::string refusal(std::string_view text) {
  const auto authority = parse_authority(text);
  EXPECT_FALSE(authority) << text;
  return authority ? "" : authority.error().what;
}

TEST(Authority, RefusalsNameThePartAndNoPassword) {
  EXPECT_THAT(refusal("u:secret@h:port"), HasSubstr("`port`"));
  EXPECT_THAT(refusal("u:secret@h:70000"), HasSubstr("65535"));
  EXPECT_THAT(refusal("u:secret@h:0"), HasSubstr("`0`"));
  EXPECT_THAT(refusal("u:secret@[::1"), HasSubstr("`]`"));
  EXPECT_THAT(refusal("u:secret@[::1]99"), HasSubstr("`:port`"));
  EXPECT_THAT(refusal("u:secret@::1:99"), HasSubstr("brackets"));
  EXPECT_THAT(refusal("u%:secret@h"), HasSubstr("the user"));
  EXPECT_THAT(refusal("u:%00secret@h"), HasSubstr("the password"));
  EXPECT_THAT(refusal("u:secret@%h"), HasSubstr("the host"));
  // The host was forgotten, or the password has a `/` that ended the authority.
  EXPECT_THAT(refusal("u:secret"), HasSubstr("%2F"));
  for (const char* text : {"u:secret@h:port", "u:%00secret@h", "u:secret", "u:secret@[::1"}) {
    EXPECT_THAT(refusal(text), Not(HasSubstr("secret"))) << text;
  }
}

TEST(ShownPart, IsNotShownWhereItMayBelongToAPassword) {
  const std::string_view url = "x://u:pa?ss=1@h/?fast=1";
  EXPECT_EQ(shown_part(url.substr(url.find("ss"), 2), url), "");
  EXPECT_EQ(shown_part(url.substr(url.find("fast"), 4), url), " `fast`");
  const std::string_view plain = "x://h/?fast=1";
  EXPECT_EQ(shown_part(plain.substr(7, 4), plain), " `fast`");
}

}  // namespace
}  // namespace umbel
