#include "umbel/reddit_simulator/simulator.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::reddit_simulator {
namespace {

namespace json = boost::json;
using testing::FakeClock;
using testing::TempDir;

class RedditSimulator : public ::testing::Test {
 protected:
  void open(SimulatorOptions options = {}) {
    auto opened = Simulator::open(std::move(options), clock, Log::none());
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    simulator = std::move(*opened);
    router = http::Router{};
    simulator->add_routes(router);
  }
  http::Response ask_token(const std::string& authorization,
                           const std::string& body = "grant_type=client_credentials") {
    http::Request request;
    request.method = "POST";
    request.path = "/api/v1/access_token";
    request.body = body;
    if (!authorization.empty()) request.headers["authorization"] = authorization;
    return router.handle(request);
  }
  std::string token() {
    return std::string{json::parse(ask_token("Basic YTpi").body).at("access_token").as_string()};
  }
  http::Response get(const std::string& path, const std::string& query, const std::string& bearer) {
    http::Request request;
    request.method = "GET";
    request.path = path;
    request.query = query;
    if (!bearer.empty()) request.headers["authorization"] = "bearer " + bearer;
    return router.handle(request);
  }
  json::value ledger() { return json::parse(get("/ledger", "", "").body); }

  FakeClock clock;
  std::unique_ptr<Simulator> simulator;
  http::Router router;
};

std::string header(const http::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

const json::array& children(const json::value& listing) {
  return listing.at("data").at("children").as_array();
}

TEST_F(RedditSimulator, GivesATokenAsRedditDoes) {
  open();

  const auto answer = ask_token("");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json; charset=UTF-8");
  const auto body = json::parse(answer.body);
  EXPECT_TRUE(body.at("access_token").is_string());
  EXPECT_EQ(body.at("token_type").as_string(), "bearer");
  EXPECT_EQ(body.at("expires_in").as_int64(), 3600);
  EXPECT_EQ(body.at("scope").as_string(), "*");
}

TEST_F(RedditSimulator, GivesTokensToItsClientAlone) {
  SimulatorOptions options;
  options.client_id = "umbel";
  options.client_secret = "s3cret";
  open(options);

  EXPECT_EQ(ask_token("Basic dW1iZWw6czNjcmV0").status, 200);  // umbel:s3cret
  for (const char* wrong : {"", "Basic dW1iZWw6b3RoZXI=", "Basic !!", "Bearer dW1iZWw6czNjcmV0"}) {
    const auto answer = ask_token(wrong);
    EXPECT_EQ(answer.status, 401) << wrong;
    EXPECT_EQ(json::parse(answer.body).at("error").as_int64(), 401) << wrong;
  }
  EXPECT_EQ(ask_token("Basic dW1iZWw6czNjcmV0", "grant_type=password").status, 400);
}

TEST_F(RedditSimulator, WantsATokenThatHasNotEnded) {
  open();
  const std::string bearer = token();

  EXPECT_EQ(get("/r/cpp/new", "", "").status, 401);
  EXPECT_EQ(get("/r/cpp/new", "", "made up").status, 401);
  EXPECT_EQ(get("/r/cpp/new", "", bearer).status, 200);
  clock.advance(std::chrono::hours{1});
  EXPECT_EQ(get("/r/cpp/new", "", bearer).status, 401);
}

TEST_F(RedditSimulator, SaysWhatIsLeftOfTheBudgetAndRefusesBeyondIt) {
  SimulatorOptions options;
  options.rate_limit = 2;
  open(options);
  const std::string bearer = token();

  const auto first = get("/r/cpp/new", "", bearer);
  clock.advance(std::chrono::seconds{100});
  const auto second = get("/comments/nothing/", "", bearer);
  const auto third = get("/r/cpp/new", "", bearer);
  clock.advance(std::chrono::seconds{500});
  const auto next_window = get("/r/cpp/new", "", bearer);

  EXPECT_EQ(header(first, "X-Ratelimit-Used"), "1");
  EXPECT_EQ(header(first, "X-Ratelimit-Remaining"), "1.0");
  EXPECT_EQ(header(first, "X-Ratelimit-Reset"), "600");
  EXPECT_EQ(second.status, 404);
  EXPECT_EQ(header(second, "X-Ratelimit-Used"), "2");
  EXPECT_EQ(third.status, 429);
  EXPECT_EQ(header(third, "Retry-After"), "500");
  EXPECT_EQ(header(third, "X-Ratelimit-Remaining"), "0.0");
  EXPECT_EQ(next_window.status, 200);
}

TEST_F(RedditSimulator, ListsByDefaultTwentyFiveAndAtMostAHundred) {
  SimulatorOptions options;
  options.history = std::chrono::hours{24};
  open(options);
  const std::string bearer = token();
  const auto count = [&](const std::string& query) {
    return children(json::parse(get("/r/askreddit/new.json", query, bearer).body)).size();
  };

  EXPECT_EQ(count(""), 25U);
  EXPECT_EQ(count("limit=7"), 7U);
  EXPECT_EQ(count("limit=5000"), 100U);
  EXPECT_EQ(count("limit=-3"), 25U);
  EXPECT_EQ(count("limit=many"), 25U);
}

TEST_F(RedditSimulator, KnowsSubredditsInAnyCaseAndRefusesOthers) {
  open();
  const std::string bearer = token();

  EXPECT_EQ(get("/r/ASKREDDIT/new", "", bearer).status, 200);
  EXPECT_EQ(get("/r/all/new/", "", bearer).status, 200);
  const auto unknown = get("/r/nowhere/new", "", bearer);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(json::parse(unknown.body).at("message").as_string(), "Not Found");
}

TEST_F(RedditSimulator, AnswersASubmissionUnderEveryFormOfItsAddress) {
  open();
  const std::string bearer = token();
  const auto listed = json::parse(get("/r/all/new", "raw_json=1&limit=1", bearer).body);
  const auto& data = children(listed).at(0).at("data");
  const std::string id{data.at("id").as_string()};
  const std::string permalink{data.at("permalink").as_string()};

  for (const std::string& path : {"/comments/" + id, "/comments/" + id + "/",
                                  "/comments/" + id + ".json", permalink, permalink + ".json"}) {
    const auto answer = get(path, "raw_json=1", bearer);
    ASSERT_EQ(answer.status, 200) << path;
    const auto body = json::parse(answer.body);
    ASSERT_EQ(body.as_array().size(), 2U);
    EXPECT_EQ(children(body.at(0)).at(0).at("data").at("title"), data.at("title")) << path;
  }
  EXPECT_EQ(get("/r/wrong/comments/" + id + "/x/", "", bearer).status, 404);
  EXPECT_EQ(get("/comments/zzzzzzzzz/", "", bearer).status, 404);
}

TEST_F(RedditSimulator, WritesEntitiesUnlessAskedNotTo) {
  SimulatorOptions options;
  options.history = std::chrono::hours{24};
  open(options);
  const std::string bearer = token();

  const std::string raw = get("/r/all/new", "limit=100&raw_json=1", bearer).body;
  const std::string escaped = get("/r/all/new", "limit=100", bearer).body;

  EXPECT_NE(raw.find("<!-- SC_OFF -->"), std::string::npos);
  EXPECT_EQ(escaped.find('<'), std::string::npos);
  EXPECT_NE(escaped.find("&lt;!-- SC_OFF --&gt;"), std::string::npos);
}

TEST_F(RedditSimulator, KeepsALedgerOfWhatItToldAcrossAKill) {
  const TempDir dir;
  SimulatorOptions options;
  options.ledger_path = dir.file("ledger.log");
  open(options);
  std::string bearer = token();
  const auto listed = json::parse(get("/r/all/new", "limit=3", bearer).body);
  const std::string id{children(listed).at(0).at("data").at("id").as_string()};
  static_cast<void>(get("/comments/" + id + "/", "", bearer));
  const auto before = ledger();

  std::ofstream{options.ledger_path, std::ios::app} << R"({"at":12,"request":"subm)";  // cut off
  clock.advance(std::chrono::hours{30});
  open(options);
  bearer = token();
  static_cast<void>(get("/comments/" + id + "/", "", bearer));
  const auto after = ledger();

  EXPECT_EQ(before.at("listed").as_array().size(), 3U);
  EXPECT_EQ(after.at("listed"), before.at("listed"));
  EXPECT_EQ(before.at("served").at("t3_" + id).to_number<int>(), 1);
  EXPECT_EQ(after.at("served").at("t3_" + id).to_number<int>(), 2);
  EXPECT_EQ(after.at("tokens_issued").to_number<int>(), 2);
  EXPECT_EQ(after.at("requests").to_number<int>(), 5);
  EXPECT_EQ(after.at("starts").to_number<int>(), 2);
  EXPECT_EQ(after.at("first_start"), before.at("first_start"));
}

TEST_F(RedditSimulator, ListsTheSameAfterARestart) {
  const TempDir dir;
  SimulatorOptions options;
  options.ledger_path = dir.file("ledger.log");
  open(options);
  const std::string before = get("/r/all/new", "limit=100", token()).body;

  open(options);

  EXPECT_EQ(get("/r/all/new", "limit=100", token()).body, before);
}

TEST_F(RedditSimulator, RefusesOptionsThatMakeNoSense) {
  const auto why = [&](SimulatorOptions options) {
    const auto opened = Simulator::open(std::move(options), clock, Log::none());
    return opened ? std::string{} : opened.error().what;
  };
  SimulatorOptions rate, names, none, half, file;
  rate.rate = 0;
  names.subreddits = {"no spaces"};
  none.subreddits = {};
  half.client_id = "x";
  file.ledger_path = "/nonexistent/folder/ledger";

  EXPECT_NE(why(rate).find("rate"), std::string::npos);
  EXPECT_NE(why(names).find("'no spaces'"), std::string::npos);
  EXPECT_NE(why(none).find("subreddits"), std::string::npos);
  EXPECT_NE(why(half).find("client-secret"), std::string::npos);
  EXPECT_NE(why(file).find("/nonexistent/folder/ledger"), std::string::npos);
}

// Against the recordings.

using Shape =
    std::map<std::string, std::set<std::string>>;  // key to the JSON types it was seen with

std::string type_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
    case json::kind::double_:
      return "float";
    default:
      return "integer";
  }
}

void add_shape(Shape& shape, const json::object& data) {
  for (const auto& [key, value] : data) shape[std::string{key}].insert(type_of(value));
}

std::filesystem::path recordings() {
  if (const char* folder = std::getenv("UMBEL_RECORDINGS")) return folder;
  return std::filesystem::path{UMBEL_SOURCE_DIR} / ".." / "shared" / "data" / "reddit";
}

json::value recorded(const std::string& name) {
  std::ifstream file{recordings() / name};
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str());
}

class RedditSimulatorShape : public RedditSimulator {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(recordings() / "askreddit_new_1.json")) {
      // They are Reddit's and no part of the repository; UMBEL_RECORDINGS names their folder.
      GTEST_SKIP() << "no recordings of Reddit's answers in " << recordings();
    }
    SimulatorOptions options;
    options.history = std::chrono::hours{24};
    options.rate = 5;
    options.rate_limit = 100'000;
    open(options);
    bearer = token();
  }
  std::string bearer;
};

TEST_F(RedditSimulatorShape, ListingsHaveTheKeysAndTypesOfTheRecordedOnes) {
  Shape real, envelope, ours, our_envelope;
  for (const char* name :
       {"askreddit_new_1.json", "all_new_stream_1.json", "all_new_stream_2.json"}) {
    const auto listing = recorded(name);
    add_shape(envelope, listing.at("data").as_object());
    for (const auto& child : children(listing)) add_shape(real, child.at("data").as_object());
  }
  std::string query = "limit=100&raw_json=1";
  for (int page = 0; page < 10; ++page) {
    const auto listing = json::parse(get("/r/all/new", query, bearer).body);
    add_shape(our_envelope, listing.at("data").as_object());
    for (const auto& child : children(listing)) add_shape(ours, child.at("data").as_object());
    const auto& after = listing.at("data").at("after");
    if (after.is_string()) query = "limit=100&raw_json=1&after=" + std::string{after.as_string()};
  }

  // Nobody had edited yet when the recordings were made; Reddit documents `edited` as false or a
  // time.
  EXPECT_EQ(ours["edited"], (std::set<std::string>{"boolean", "float"}));
  real["edited"].insert("float");
  EXPECT_EQ(ours, real);
  EXPECT_EQ(our_envelope, envelope);
}

TEST_F(RedditSimulatorShape, CommentsHaveTheKeysAndTypesOfTheRecordedOnes) {
  const auto real = recorded("submission_comments_1.json");
  Shape real_submission, real_comment, our_submission, our_comment;
  add_shape(real_submission, children(real.at(0)).at(0).at("data").as_object());
  add_shape(real_comment, children(real.at(1)).at(0).at("data").as_object());
  const auto listing = json::parse(get("/r/all/new", "limit=100&raw_json=1", bearer).body);
  for (const auto& child : children(listing)) {
    const std::string id{child.at("data").at("id").as_string()};
    clock.advance(std::chrono::seconds{1});
    const auto body = json::parse(get("/comments/" + id + "/", "raw_json=1", bearer).body);
    add_shape(our_submission, children(body.at(0)).at(0).at("data").as_object());
    for (const auto& one : children(body.at(1))) add_shape(our_comment, one.at("data").as_object());
  }

  // The recorded submission is of 2014; later ones, as in the listings, have these in addition.
  for (const char* later : {"contest_mode", "spoiler", "post_hint", "preview"})
    our_submission.erase(later);
  for (const auto& [key, types] : real_submission) {
    for (const auto& type : types)
      EXPECT_TRUE(our_submission[key].contains(type)) << key << " " << type;
  }
  EXPECT_EQ(our_submission.size(), real_submission.size());
  real_comment["replies"] = {"string"};  // an object where there are replies; ours have none
  EXPECT_EQ(our_comment, real_comment);
}

}  // namespace
}  // namespace umbel::reddit_simulator
