#include "umbel/tasks_reddit/reddit_tasks.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "api_source.hpp"
#include "listing.hpp"
#include "observations.hpp"
#include "permalink.hpp"
#include "scrape_source.hpp"
#include "umbel/base/ids.hpp"
#include "walk.hpp"

namespace umbel {
namespace {

namespace json = boost::json;
using reddit::ApiFailure;

constexpr const char* kDiscover = "reddit.discover";
constexpr const char* kFetch = "reddit.fetch_submission";
constexpr std::chrono::hours kForGood{24 * 3650};

std::unique_ptr<reddit::Source> make_source(const RedditOptions& options, SharedValues& shared) {
  if (options.source == RedditSource::Scrape) {
    return std::make_unique<reddit::ScrapeSource>(options, shared);
  }
  return std::make_unique<reddit::ApiSource>(options, shared);
}

std::string_view name_of(RedditSource source) {
  return source == RedditSource::Scrape ? "scrape" : "api";
}

double seconds_since(const Clock& clock, Steady::time_point began) {
  return std::chrono::duration<double>(clock.steady() - began).count();
}

// Reddit says so of a submission whose author took it, or the account, away.
bool is_deleted(const Submission& submission) {
  return submission.author == "[deleted]" &&
         (!submission.is_self || submission.selftext == "[deleted]" ||
          submission.selftext == "[removed]");
}

// One run of a task: what it needs of its context, and where its time goes.
class Run {
 public:
  Run(TaskContext& context, reddit::Observations& observations)
      : context_{context}, observations_{observations} {}

  TaskContext& context() { return context_; }
  reddit::Phases& phases() { return phases_; }
  metrics::Metrics& metrics() { return context_.metrics(); }
  WallTime now() { return context_.clock().wall(); }
  reddit::Asking asking() { return {context_.clock(), context_.stop(), phases_}; }

  // Ends the task as the failure asks for.
  [[noreturn]] void end_with(const ApiFailure& failure) {
    observations_.phases(metrics(), phases_);
    const std::string what = fmt::format("{}: {}", to_text(failure.reason), failure.what);
    switch (failure.next) {
      case ApiFailure::Next::Later:
        observations_.postponed(metrics(), failure);
        context_.retry_later(failure.after, what);
      case ApiFailure::Next::Stopped:
        context_.retry("stopped: " + failure.what);
      case ApiFailure::Next::GiveUp:
        throw FinalTaskError{failure.type, what};
      case ApiFailure::Next::Retry:
        break;
    }
    throw TaskError{failure.type, what};
  }
  // What a store's call answers; its time is the phase `store`.
  template <class Call>
  auto need(const char* name, const Call& call) {
    const auto began = context_.clock().steady();
    auto result = call();
    phases_.add(reddit::Phase::Store, seconds_since(context_.clock(), began));
    if (!result) end_with(reddit::failure_of_store(result.error(), name));
    return std::move(*result);
  }
  template <class Call>
  auto parsed(const Call& call) {
    const auto began = context_.clock().steady();
    auto result = call();
    phases_.add(reddit::Phase::Parse, seconds_since(context_.clock(), began));
    return result;
  }
  void finish() { observations_.phases(metrics(), phases_); }

 private:
  TaskContext& context_;
  reddit::Observations& observations_;
  reddit::Phases phases_;
};

// What is kept of a listed submission until its task is accepted.
struct Listed {
  std::string permalink, subreddit;
  WallTime created{};
};

class RedditTasks {
 public:
  RedditTasks(RedditOptions options, Store& store)
      : options_{std::move(options)},
        store_{store},
        source_{make_source(options_, store.shared())},
        observations_{source_->name()} {}

  json::value discover(TaskContext& context, const std::string& subreddit);
  json::value fetch(TaskContext& context, const std::string& url);

 private:
  using AllListed = std::map<std::string, Listed>;  // by fullname

  reddit::Walk walk(Run& run, const std::string& subreddit, AllListed& listed);
  reddit::ListingPage page(Run& run, const std::string& subreddit, const std::string& after);
  [[nodiscard]] std::optional<WallTime> began(Run& run, const std::string& key);
  std::uint64_t accept(Run& run, const std::string& subreddit, const reddit::Walk& walk,
                       const AllListed& listed);
  Submission fetched(Run& run, const reddit::Permalink& link);
  [[noreturn]] void fail_fetch(Run& run, const ApiFailure& failure);

  const RedditOptions options_;
  Store& store_;
  std::unique_ptr<reddit::Source> source_;
  reddit::Observations observations_;
};

std::string began_key(const std::string& subreddit) { return "reddit.began." + subreddit; }

std::optional<WallTime> RedditTasks::began(Run& run, const std::string& key) {
  const auto text = run.need("shared value", [&] { return store_.shared().get(key, run.now()); });
  if (!text) return std::nullopt;
  std::int64_t micros = 0;
  const auto [end, bad] = std::from_chars(text->data(), text->data() + text->size(), micros);
  if (bad != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return from_micros(micros);
}

reddit::ListingPage RedditTasks::page(Run& run, const std::string& subreddit,
                                      const std::string& after) {
  const std::string path = fmt::format("/r/{}/new", subreddit);
  const auto answer = source_->listing(subreddit, after, run.asking());
  if (!answer) run.end_with(answer.error());
  if (answer->budget_left) observations_.budget(run.metrics(), *answer->budget_left);
  auto page = run.parsed([&] { return reddit::parse_listing(answer->body); });
  if (!page) run.end_with(reddit::failure_of_parsing(page.error(), path));
  if (page->after && !reddit::is_fullname(*page->after)) {
    run.end_with(reddit::failure_of_parsing(invalid("data.after: expected a fullname"), path));
  }
  return std::move(*page);
}

reddit::Walk RedditTasks::walk(Run& run, const std::string& subreddit, AllListed& listed) {
  reddit::WalkOptions options;
  options.watermark =
      run.need("watermark", [&] { return store_.submissions().watermark(subreddit); });
  options.began = began(run, began_key(subreddit));
  reddit::Walk walk{options};
  reddit::Walk::Step step{true, ""};
  while (step.fetch) {
    const reddit::ListingPage one = page(run, subreddit, step.after);
    std::vector<std::string> names;
    for (const Submission& child : one.children) names.push_back(child.fullname);
    const auto known = run.need("sighted", [&] { return store_.submissions().sighted(names); });
    std::vector<reddit::ListedItem> items;
    for (std::size_t i = 0; i < names.size(); ++i) {
      items.push_back({names[i], one.children[i].created, known.at(i)});
    }
    const bool had_begun = walk.began().has_value();
    step = walk.feed(items, one.after);
    if (walk.began() && !had_begun) {
      // Whoever is first to list decides: adding nothing to what is there leaves it as it is.
      run.need("shared value", [&] {
        return store_.shared().add(began_key(subreddit), 0, to_micros(*walk.began()),
                                   run.now() + kForGood, run.now());
      });
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Submission& child = one.children[i];
      if (!known.at(i)) {
        listed.try_emplace(child.fullname, Listed{child.permalink, child.subreddit, child.created});
      }
    }
  }
  return walk;
}

std::uint64_t RedditTasks::accept(Run& run, const std::string& subreddit, const reddit::Walk& walk,
                                  const AllListed& listed) {
  std::vector<TaskRequest> requests;
  Together together;
  // Oldest first, so that they are fetched in the order in which they were written.
  for (auto name = walk.fresh().rbegin(); name != walk.fresh().rend(); ++name) {
    const Listed& submission = listed.at(*name);
    TaskRequest request;
    request.name = kFetch;
    request.args = json::serialize(json::array{"https://www.reddit.com" + submission.permalink});
    request.id = TaskId{named_uuid("fetch|" + *name)};
    requests.push_back(std::move(request));
    together.sightings.push_back(
        {*name, reddit::lower_case(submission.subreddit), submission.created});
  }
  if (walk.newest()) together.watermark = Watermark{subreddit, *walk.newest()};
  const auto handles = run.need("accept", [&] { return run.context().spawn(requests, together); });

  std::uint64_t fresh = 0;
  for (std::size_t i = 0; i < handles.size() && i < together.sightings.size(); ++i) {
    if (!handles[i].fresh) continue;
    ++fresh;
    observations_.discovered(run.metrics(), together.sightings[i].subreddit);
  }
  return fresh;
}

json::value RedditTasks::discover(TaskContext& context, const std::string& subreddit) {
  if (!reddit::is_subreddit(subreddit)) {
    throw FinalTaskError{"ValueError",
                         fmt::format("subreddit: '{}' is no name; allowed are 2 to 21 letters, "
                                     "digits and '_', without /r/",
                                     subreddit.substr(0, 50))};
  }
  Run run{context, observations_};
  const std::string name = reddit::lower_case(subreddit);
  AllListed listed;
  const reddit::Walk walked = walk(run, name, listed);
  // An empty subreddit has nothing to accept, and no watermark.
  const std::uint64_t fresh = walked.newest() ? accept(run, name, walked, listed) : 0;
  observations_.gap(context.metrics(), name, walked.gap());
  if (walked.gap()) {
    context.log().warn("submissions missed: the listing ended before what was known",
                       {{"subreddit", name}, {"pages", walked.pages()}});
  }
  run.finish();
  return json::object{{"subreddit", name},
                      {"new", fresh},
                      {"pages", walked.pages()},
                      {"gap", walked.gap()},
                      {"seconds", run.phases().json()}};
}

void RedditTasks::fail_fetch(Run& run, const ApiFailure& failure) {
  if (failure.next != ApiFailure::Next::Stopped) {
    observations_.fetch_failed(run.metrics(), failure);
  }
  run.end_with(failure);
}

Submission RedditTasks::fetched(Run& run, const reddit::Permalink& link) {
  const std::string path = fmt::format("/comments/{}/", link.id);
  const auto answer = source_->submission(link, run.asking());
  if (!answer) fail_fetch(run, answer.error());
  if (answer->budget_left) observations_.budget(run.metrics(), *answer->budget_left);
  auto submission = run.parsed([&] { return reddit::parse_comments(answer->body); });
  if (!submission) fail_fetch(run, reddit::failure_of_parsing(submission.error(), path));
  if (submission->fullname != "t3_" + link.id) {
    const auto other = invalid(fmt::format("[0].data.children[0].data.name: expected t3_{}, got {}",
                                           link.id, submission->fullname));
    fail_fetch(run, reddit::failure_of_parsing(other, path));
  }
  submission->source = source_->name();
  submission->simulated = options_.simulated;
  submission->fetched = run.now();
  return std::move(*submission);
}

json::value RedditTasks::fetch(TaskContext& context, const std::string& url) {
  const auto link = reddit::permalink_of(
      url, options_.source == RedditSource::Scrape ? options_.public_url : options_.api_url);
  if (!link) throw FinalTaskError{"ValueError", link.error().what};

  Run run{context, observations_};
  const auto began = context.clock().steady();
  const Submission submission = fetched(run, *link);
  const auto storing = context.clock().steady();
  const auto stored = store_.submissions().upsert(std::span{&submission, 1});
  run.phases().add(reddit::Phase::Store, seconds_since(context.clock(), storing));
  if (!stored) fail_fetch(run, reddit::failure_of_store(stored.error(), "upsert"));
  const double seconds = seconds_since(context.clock(), began);
  observations_.stored(context.metrics(), submission, seconds);
  run.finish();
  return json::object{{"fullname", submission.fullname},
                      {"subreddit", submission.subreddit},
                      {"title", submission.title},
                      {"score", submission.score},
                      {"num_comments", submission.num_comments},
                      {"deleted", is_deleted(submission)},
                      {"fetch_seconds", seconds},
                      {"seconds", run.phases().json()}};
}

}  // namespace

void add_reddit_tasks(TaskRegistry& tasks, const RedditOptions& options, Store& store) {
  const auto all = std::make_shared<RedditTasks>(options, store);

  TaskOptions discover;
  discover.queue = QueueName{"reddit"};
  discover.retry = RetryPolicy{.max_retries = 3, .first_delay = options.first_retry};
  discover.description =
      "Lists what is new in a subreddit and asks for each submission to be fetched.";
  tasks.add(kDiscover,
            std::function<json::value(TaskContext&, std::string)>{
                [all](TaskContext& context, const std::string& subreddit) {
                  return all->discover(context, subreddit);
                }},
            {"subreddit"}, std::move(discover));

  TaskOptions fetch;
  fetch.queue = QueueName{"reddit"};
  fetch.retry = RetryPolicy{.max_retries = 5, .first_delay = options.first_retry};
  fetch.description = "Fetches one submission by its permalink and stores it.";
  tasks.add(
      kFetch,
      std::function<json::value(TaskContext&, std::string)>{
          [all](TaskContext& context, const std::string& url) { return all->fetch(context, url); }},
      {"url"}, std::move(fetch));
}

void init_reddit_metrics(metrics::Metrics& metrics, RedditSource source) {
  reddit::Observations{name_of(source)}.init(metrics);
}

}  // namespace umbel
