#include "umbel/http/router.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "access.hpp"

namespace umbel::http {
namespace {

Handler says(std::string text) {
  return [text](const Request& request) {
    Response response;
    response.body = text;
    for (const auto& [name, value] : request.parameters) response.body += " " + name + "=" + value;
    return response;
  };
}

Request get(std::string path, std::string method = "GET") {
  Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  return request;
}

std::string allow_of(const Response& response) {
  for (const auto& [name, value] : response.headers) {
    if (name == "Allow") return value;
  }
  return {};
}

TEST(Router, ALiteralPathBeatsAPatternWhateverTheOrder) {
  Router router;
  router.add("GET", "/task/<name>", says("pattern"));
  router.add("GET", "/task/status", says("literal"));

  EXPECT_EQ(router.handle(get("/task/status")).body, "literal");
  EXPECT_EQ(router.handle(get("/task/add")).body, "pattern name=add");
}

TEST(Router, TellsItsRoutes) {
  Router router;
  router.add("GET", "/a/<id>", says("a"));
  router.add("POST", "/b", says("b"));
  using Routes = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(router.routes(), (Routes{{"GET", "/a/<id>"}, {"POST", "/b"}}));
}

TEST(Router, APartMatchesNoSlashUnlessItTakesTheRest) {
  Router router;
  router.add("GET", "/one/<name>", says("one"));
  router.add("GET", "/rest/<path...>", says("rest"));

  EXPECT_EQ(router.handle(get("/one/a/b")).status, 404);
  EXPECT_EQ(router.handle(get("/one/")).status, 404);
  EXPECT_EQ(router.handle(get("/one/a/")).status, 404);
  EXPECT_EQ(router.handle(get("/rest/a/b")).body, "rest path=a/b");
  EXPECT_EQ(router.handle(get("/rest/")).status, 404);
}

TEST(Router, WhatTakesSlashesMayHavePartsBehindIt) {
  Router router;
  router.add("GET", "/of/<name...>/run", says("run"));
  router.add("GET", "/of/<name...>/log/<n>", says("log"));

  EXPECT_EQ(router.handle(get("/of/a/run")).body, "run name=a");
  EXPECT_EQ(router.handle(get("/of/a/b/run")).body, "run name=a/b");
  EXPECT_EQ(router.handle(get("/of/a/run/run")).body, "run name=a/run");
  EXPECT_EQ(router.handle(get("/of/a/b/log/7")).body, "log n=7 name=a/b");
  EXPECT_EQ(router.handle(get("/of/run")).status, 404);
  EXPECT_EQ(router.handle(get("/of//run")).status, 404);
  EXPECT_EQ(router.handle(get("/of/a/b")).status, 404);
  EXPECT_EQ(router.handle(get("/of")).status, 404);
}

TEST(Router, TheRootIsAPathOfItsOwn) {
  Router router;
  router.add("GET", "/", says("root"));

  EXPECT_EQ(router.handle(get("/")).body, "root");
  EXPECT_EQ(router.handle(get("/x")).status, 404);
}

TEST(Router, AKnownPathWithAnotherMethodIs405AndSaysWhichAreAllowed) {
  Router router;
  router.add("GET", "/a", says("get"));
  router.add("POST", "/a", says("post"));

  const Response refused = router.handle(get("/a", "DELETE"));

  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(allow_of(refused), "GET, HEAD, POST");
}

TEST(Router, HeadIsGetWithItsLengthAndWithoutItsBody) {
  Router router;
  router.add("GET", "/a", says("hello"));

  const Response response = router.handle(get("/a", "HEAD"));

  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "");
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].second, "5");
}

TEST(Router, WhatAHandlerThrowsIs500WithoutItsText) {
  Router router;
  router.add("GET", "/a", [](const Request&) -> Response { throw std::runtime_error{"secret"}; });

  const Response response = router.handle(get("/a"));

  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
}

TEST(Request, AnArgumentIsDecodedAndTheLastOfANameWins) {
  Request request;
  request.query = "a=1&b=x%20y+z&a=2&empty=&bare";

  EXPECT_EQ(request.argument("a"), "2");
  EXPECT_EQ(request.argument("b"), "x y z");
  EXPECT_EQ(request.argument("empty"), "");
  EXPECT_EQ(request.argument("bare"), "");
  EXPECT_EQ(request.argument("c"), std::nullopt);
}

TEST(Percent, DecodingUndoesEncodingAndLeavesBrokenEscapesAlone) {
  const std::string every = [] {
    std::string text;
    for (int c = 0; c < 256; ++c) text.push_back(static_cast<char>(c));
    return text;
  }();

  EXPECT_EQ(percent_decoded(percent_encoded(every)), every);
  EXPECT_EQ(percent_encoded("a/b c"), "a%2Fb%20c");
  EXPECT_EQ(percent_decoded("100%"), "100%");
  EXPECT_EQ(percent_decoded("%zz%4"), "%zz%4");
}

TEST(ErrorResponse, QuotesTheMessageAsJson) {
  EXPECT_EQ(error_response(400, "a \"b\"").body, R"({"error": "a \"b\""})");
}

struct HostCase {
  std::string address;
  std::string host;
  bool allowed;
};

TEST(Access, AnswersToLoopbackToItsAddressAndToWhatIsAllowed) {
  const std::vector<HostCase> cases{
      {"127.0.0.1", "localhost:5555", true},   {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "LOCALHOST", true},        {"127.0.0.1", "[::1]:5555", true},
      {"127.0.0.1", "evil.example", false},    {"127.0.0.1", "127.0.0.1.evil.example", false},
      {"127.0.0.1", "localhost.evil", false},  {"127.0.0.1", "10.0.0.7:5555", false},
      {"10.0.0.7", "10.0.0.7:5555", true},     {"0.0.0.0", "10.0.0.7:5555", true},
      {"0.0.0.0", "evil.example:5555", false}, {"127.0.0.1", "umbel.example:5555", true},
  };
  for (const HostCase& each : cases) {
    SCOPED_TRACE(each.address + " asked as " + each.host);
    const Access access{each.address, {"umbel.example"}};

    EXPECT_EQ(!refuse_host(access, each.host).has_value(), each.allowed);
  }
  EXPECT_FALSE(refuse_host({"127.0.0.1", {"*"}}, "any.example").has_value());
}

TEST(Access, AnOriginMustBeThisVeryServer) {
  EXPECT_FALSE(refuse_origin("", "localhost:5555"));
  EXPECT_FALSE(refuse_origin("http://localhost:5555", "localhost:5555"));
  EXPECT_FALSE(refuse_origin("https://umbel.example", "umbel.example:443"));
  EXPECT_TRUE(refuse_origin("http://localhost:8000", "localhost:5555"));
  EXPECT_TRUE(refuse_origin("http://evil.example", "localhost:5555"));
  EXPECT_TRUE(refuse_origin("null", "localhost:5555"));
  EXPECT_TRUE(refuse_origin("file://localhost:5555", "localhost:5555"));
}

}  // namespace
}  // namespace umbel::http
