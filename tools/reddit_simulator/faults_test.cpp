// What goes wrong: which faults, how often, and what the answers then look like on the wire.
#include "faults.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <map>
#include <set>

#include "ledger.hpp"
#include "stream.hpp"
#include "token_desk.hpp"
#include "umbel/http/client.hpp"
#include "umbel/http/server.hpp"
#include "umbel/reddit_simulator/simulator.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::reddit_simulator {
namespace {

namespace json = boost::json;
using testing::FakeClock;
using testing::TempDir;

TEST(Faults, EveryKindHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const FaultName& one : kFaults) {
    EXPECT_TRUE(names.insert(one.name).second) << one.name;
    EXPECT_EQ(to_text(one.fault), one.name);
    EXPECT_TRUE(FaultTable::parse({std::string{one.name} + "=0.5"}).value().has(one.fault));
  }
}

TEST(Faults, ComeAtTheirRatesAndTheSameForASeed) {
  const auto table = FaultTable::parse({"html=0.1", "429=0.05", "private=0.2"}).value();
  std::map<std::string_view, int> drawn;
  bool other_seed_differs = false;
  for (std::uint64_t number = 0; number < 20'000; ++number) {
    const auto fault = table.of_request(7, number);
    EXPECT_EQ(table.of_request(7, number), fault);
    other_seed_differs = other_seed_differs || table.of_request(8, number) != fault;
    if (fault) ++drawn[to_text(*fault)];
    if (const auto lasting = table.of_submission(7, number)) ++drawn[to_text(*lasting)];
  }

  EXPECT_TRUE(other_seed_differs);
  EXPECT_EQ(drawn.size(), 3U);
  EXPECT_NEAR(drawn["html"], 2000, 200);
  EXPECT_NEAR(drawn["429"], 1000, 150);
  EXPECT_NEAR(drawn["private"], 4000, 300);
}

TEST(Faults, RefusesWhatItCannotMean) {
  const auto why = [](const std::vector<std::string>& entries) {
    const auto table = FaultTable::parse(entries);
    return table ? std::string{} : table.error().what;
  };

  EXPECT_NE(why({"hmtl=0.1"}).find("'hmtl'"), std::string::npos);
  EXPECT_NE(why({"hmtl=0.1"}).find("html"), std::string::npos) << "what is allowed";
  EXPECT_NE(why({"html"}).find("'html'"), std::string::npos);
  EXPECT_NE(why({"html=much"}).find("'html=much'"), std::string::npos);
  EXPECT_NE(why({"html=1.5"}).find("'html=1.5'"), std::string::npos);
  EXPECT_NE(why({"html=-0.1"}).find("'html=-0.1'"), std::string::npos);
  EXPECT_NE(why({"all=0.2"}).find("sum to 4"), std::string::npos) << why({"all=0.2"});
  EXPECT_EQ(why({"all=0.2", "all=0.05"}), "") << "the later one counts";
}

TEST(TokenDesk, KnowsABoundedNumberOfTokensAndAddresses) {
  TokenDesk desk{{}};
  FakeClock clock;
  const std::string first = desk.issue(clock.wall());
  clock.advance(std::chrono::seconds{1});
  for (std::size_t i = 1; i < TokenDesk::kMostHolders; ++i) {
    static_cast<void>(desk.issue(clock.wall()));
  }
  EXPECT_EQ(desk.admit(first, clock.wall()).used, 1);

  static_cast<void>(desk.issue(clock.wall()));

  EXPECT_EQ(desk.admit(first, clock.wall()).answer, Admission::Answer::Unknown);
  EXPECT_EQ(desk.admit_guest("10.0.0.1", clock.wall()).used, 1);
  EXPECT_EQ(desk.admit_guest("10.0.0.1", clock.wall()).used, 2);
  clock.advance(std::chrono::seconds{1});
  for (std::size_t i = 0; i < TokenDesk::kMostHolders; ++i) {
    static_cast<void>(desk.admit_guest("host-" + std::to_string(i), clock.wall()));
  }
  EXPECT_EQ(desk.admit_guest("10.0.0.1", clock.wall()).used, 1) << "forgotten, begins anew";
}

LedgerRequest served(std::uint64_t number) {
  LedgerRequest request;
  request.kind = LedgerRequest::Kind::Submission;
  request.served = "t3_" + id_of(number);
  request.listed = {{request.served, "cpp"}};
  return request;
}

TEST(Ledger, KeepsTheNewestSubmissionsAndCountsTheRest) {
  FakeClock clock;
  const auto ledger = Ledger::open({.path = "", .keep = 1000}, clock.wall()).value();

  for (std::uint64_t number = 0; number < 2500; ++number) {
    ASSERT_TRUE(ledger->record(served(number), clock.wall()).has_value());
  }

  const auto told = json::parse(ledger->json());
  EXPECT_EQ(told.at("listed").as_array().size(), 1000U);
  EXPECT_EQ(told.at("listed").at(0).at("fullname").as_string(), "t3_" + id_of(1500));
  EXPECT_EQ(told.at("forgotten").to_number<int>(), 1500);
  EXPECT_EQ(told.at("requests").to_number<int>(), 2500);
}

TEST(Ledger, ItsFileIsWrittenAnewOnceItHasGrownAndSaysTheSame) {
  const TempDir dir;
  const std::string path = dir.file("ledger");
  FakeClock clock;
  constexpr std::size_t kLeast = 1024 * 1024;
  const LedgerOptions options{.path = path, .keep = 1000, .least_rewritten = kLeast};
  auto ledger = Ledger::open(options, clock.wall()).value();
  LedgerRequest gone;
  gone.gone = "t3_" + id_of(12'000);
  gone.fault = "private";
  std::uintmax_t largest = 0;

  for (std::uint64_t number = 0; number < 12'000; ++number) {
    ASSERT_TRUE(ledger->record(served(number), clock.wall()).has_value());
    if (number % 100 == 0) largest = std::max(largest, std::filesystem::file_size(path));
  }
  ASSERT_TRUE(ledger->record(gone, clock.wall()).has_value());
  const auto before = json::parse(ledger->json());
  const auto size = std::filesystem::file_size(path);
  ledger.reset();
  ledger = Ledger::open(options, clock.wall()).value();
  auto after = json::parse(ledger->json());

  EXPECT_GT(largest, kLeast / 2);
  EXPECT_LE(largest, kLeast + 4096);
  EXPECT_LT(size, kLeast / 2) << "it was written anew";
  EXPECT_EQ(before.at("gone").at(gone.gone).as_string(), "private");
  EXPECT_EQ(before.at("faults").at("private").to_number<int>(), 1);
  EXPECT_EQ(after.at("starts").to_number<int>(), 2);
  after.as_object()["starts"] = before.at("starts");
  EXPECT_EQ(after, before);
}

// Over a real connection.
class FaultySimulator : public ::testing::Test {
 protected:
  void open(SimulatorOptions options) {
    server.reset();
    options.rate_limit = options.public_rate_limit = 1'000'000;
    auto opened = Simulator::open(std::move(options), clock, Log::none());
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    simulator = std::move(*opened);
    http::Router router;
    simulator->add_routes(router);
    http::ServerOptions listen;
    listen.max_connections = 8;
    server = std::make_unique<http::Server>(listen, std::move(router),
                                            std::vector<http::WebSocketRoute>{}, Log::none());
    ASSERT_TRUE(server->start().has_value());
  }
  void TearDown() override {
    if (simulator) simulator->stop();
    if (server) server->stop();
  }
  void open_with(const std::string& fault) {
    SimulatorOptions options;
    options.faults = {fault};
    options.slow = std::chrono::milliseconds{300};
    options.oversized = 3 * 1024 * 1024;
    open(std::move(options));
  }
  Result<http::ClientResponse> get(const std::string& target = "/r/cpp/new.json") {
    http::ClientRequest request;
    request.url = url() + target;
    request.headers = {{"User-Agent", "test"}};
    request.max_body = 1024 * 1024;
    return client.send(request);
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server->port());
  }
  json::value ledger() { return json::parse(get("/ledger").value().body); }

  FakeClock clock;
  http::Client client;
  std::unique_ptr<Simulator> simulator;
  std::unique_ptr<http::Server> server;
};

TEST_F(FaultySimulator, AnswersWithTheStatusOfTheFault) {
  for (const auto& [fault, status] :
       {std::pair{"408=1", 408}, std::pair{"429=1", 429}, std::pair{"500=1", 500},
        std::pair{"502=1", 502}, std::pair{"503=1", 503}}) {
    open_with(fault);
    EXPECT_EQ(get().value().status, status) << fault;
  }
}

TEST_F(FaultySimulator, AsksToWaitInSecondsOrUntilADate) {
  open_with("429=1");
  std::set<bool> dates;
  for (int i = 0; i < 40; ++i) {
    const std::string text = get().value().headers.at("retry-after");
    dates.insert(text.ends_with("GMT"));
    EXPECT_TRUE(text == "2" || text.ends_with("GMT")) << text;
  }
  EXPECT_EQ(dates.size(), 2U) << "both forms";
}

TEST_F(FaultySimulator, AnswersThatAreNoAnswer) {
  for (const auto& [fault, code] :
       {std::pair{"reset=1", Errc::Unavailable}, std::pair{"hang=1", Errc::Unavailable},
        std::pair{"drip=1", Errc::Unavailable}, std::pair{"oversized=1", Errc::Invalid},
        std::pair{"bomb=1", Errc::Invalid}, std::pair{"badgzip=1", Errc::Invalid}}) {
    open_with(fault);
    const auto answer = get();
    ASSERT_TRUE(answer.has_error()) << fault;
    EXPECT_EQ(answer.error().code, code) << fault << ": " << answer.error().what;
  }
}

TEST_F(FaultySimulator, AnswersThatAreNotWhatWasAskedFor) {
  open_with("html=1");
  EXPECT_EQ(get()->body.find("<!doctype html>"), 0U);
  open_with("empty=1");
  EXPECT_EQ(get()->body, "");
  open_with("type=1");
  EXPECT_NO_THROW(static_cast<void>(json::parse(get()->body)));

  open_with("truncated=1");
  int cut_on_the_wire = 0;
  int cut_json = 0;
  for (int i = 0; i < 20; ++i) {
    const auto answer = get();
    if (!answer) {
      ++cut_on_the_wire;
    } else {
      boost::system::error_code bad;
      static_cast<void>(json::parse(answer->body, bad));
      cut_json += bad ? 1 : 0;
    }
  }
  EXPECT_GT(cut_on_the_wire, 0);
  EXPECT_GT(cut_json, 0);
  EXPECT_EQ(cut_on_the_wire + cut_json, 20);
}

TEST_F(FaultySimulator, RedirectsHereAndElsewhere) {
  open_with("redirect=1");
  EXPECT_EQ(get()->headers.at("location"), "/r/cpp/new.json?redirected=1");
  open_with("elsewhere=1");
  EXPECT_EQ(get()->headers.at("location"), "http://elsewhere.example/collect");
  open_with("loop=1");
  EXPECT_EQ(get()->headers.at("location"), "/r/cpp/new.json?loop=1");
}

TEST_F(FaultySimulator, CompressesWithoutFault) {
  open_with("gzip=0");
  const std::string plain = get()->body;
  open_with("gzip=1");
  const auto packed = get();

  EXPECT_EQ(packed->headers.at("content-encoding"), "gzip");
  EXPECT_EQ(packed->body, plain);
  EXPECT_GT(ledger().at("listed").as_array().size(), 0U) << "told";
}

TEST_F(FaultySimulator, TheLedgerKnowsWhatWasNotTold) {
  open_with("html=1");
  static_cast<void>(get());

  const auto told = ledger();

  EXPECT_EQ(told.at("listed").as_array().size(), 0U);
  EXPECT_EQ(told.at("faults").at("html").to_number<int>(), 1);
}

TEST_F(FaultySimulator, ARevokedTokenIsRefusedAndAnotherIsGiven) {
  open_with("401=1");
  http::ClientRequest request;
  request.method = "POST";
  request.url = url() + "/api/v1/access_token";
  request.body = "grant_type=client_credentials";
  EXPECT_EQ(client.send(request)->status, 401) << "the fault concerns tokens too";

  open_with("401=0");
  const auto token = json::parse(client
                                     .send([&] {
                                       request.url = url() + "/api/v1/access_token";
                                       return request;
                                     }())
                                     ->body);
  EXPECT_TRUE(token.at("access_token").is_string());
}

TEST_F(FaultySimulator, ClosedSubredditsAndSubmissionsRefuseForGoodAndSayWhy) {
  SimulatorOptions options;
  options.private_subreddits = {"secret"};
  options.banned_subreddits = {"Bad"};
  options.quarantined_subreddits = {"ill"};
  options.faults = {"deleted=1"};
  open(std::move(options));

  const auto refused = [&](const std::string& target) {
    const auto answer = get(target);
    const auto body = json::parse(answer->body);
    const auto* reason = body.as_object().if_contains("reason");
    return std::to_string(answer->status) + " " +
           (reason == nullptr ? "" : std::string{reason->as_string()});
  };

  EXPECT_EQ(refused("/r/secret/new.json"), "403 private");
  EXPECT_EQ(refused("/r/bad/new.json"), "404 banned");
  EXPECT_EQ(refused("/r/ill/new.json"), "403 quarantined");
  const auto listing = json::parse(get("/r/all/new.json?limit=1")->body);
  const auto& data = listing.at("data").at("children").at(0).at("data");
  const std::string id{data.at("id").as_string()};
  EXPECT_EQ(refused("/comments/" + id + ".json"), "404 ");
  EXPECT_EQ(refused("/comments/" + id + ".json"), "404 ") << "for good";
  EXPECT_EQ(ledger().at("gone").at("t3_" + id).as_string(), "deleted");
}

TEST_F(FaultySimulator, PublicPagesNeedNoTokenButAName) {
  SimulatorOptions options;
  open(std::move(options));
  http::ClientRequest anonymous;
  anonymous.url = url() + "/r/cpp/new.json";

  EXPECT_EQ(get("/r/cpp/new.json")->status, 200);
  EXPECT_EQ(get("/r/cpp/new")->status, 401) << "the API";
  EXPECT_EQ(client.send(anonymous)->status, 429);
  EXPECT_EQ(get("/r/cpp/new.json")->headers.at("x-ratelimit-used"), "3");
}

TEST_F(FaultySimulator, TakesItsTimeButNotWhenItIsToStop) {
  SimulatorOptions options;
  options.latency_median = std::chrono::milliseconds{20};
  options.latency_p99 = std::chrono::milliseconds{40};
  open(options);
  const auto began = Steady::now();
  static_cast<void>(get());
  EXPECT_GE(Steady::now() - began, std::chrono::milliseconds{1});

  options.latency_median = options.latency_p99 = std::chrono::hours{1};
  open(options);
  simulator->stop();
  EXPECT_EQ(get()->status, 200);
}

TEST_F(FaultySimulator, RefusesALatencyThatIsNone) {
  SimulatorOptions options;
  options.latency_median = std::chrono::milliseconds{20};
  const auto opened = Simulator::open(options, clock, Log::none());

  ASSERT_TRUE(opened.has_error());
  EXPECT_NE(opened.error().what.find("latency-p99"), std::string::npos);
}

TEST_F(FaultySimulator, AfterAKillItsFaultsGoOnWhereTheyWere) {
  const TempDir dir;
  SimulatorOptions options;
  options.faults = {"500=0.3", "503=0.3"};
  const auto statuses = [&](int count) {
    std::vector<int> all;
    for (int i = 0; i < count; ++i) all.push_back(get()->status);
    return all;
  };
  options.ledger_path = dir.file("one");
  open(options);
  const auto whole = statuses(40);
  options.ledger_path = dir.file("two");
  open(options);
  auto parts = statuses(20);
  open(options);
  const auto second = statuses(20);

  parts.insert(parts.end(), second.begin(), second.end());
  EXPECT_EQ(parts, whole);
}

}  // namespace
}  // namespace umbel::reddit_simulator
