#include "umbel/tasks_reddit/reddit_tasks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "api_source.hpp"
#include "listing.hpp"
#include "permalink.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "walk.hpp"

namespace umbel {
namespace {

namespace json = boost::json;
using reddit::ApiFailure;
using reddit::Reason;

constexpr const char* kDiscover = "reddit.discover";
constexpr const char* kFetch = "reddit.fetch_submission";
constexpr const char* kSource = "api";
constexpr std::chrono::hours kForGood{24 * 3650};

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

// Ends the task as the failure asks for.
[[noreturn]] void end_with(TaskContext& context, const ApiFailure& failure) {
  switch (failure.next) {
    case ApiFailure::Next::RetryAfter:
      context.retry(failure.what, failure.after);
    case ApiFailure::Next::Stopped:
      context.retry("stopped: " + failure.what);
    case ApiFailure::Next::GiveUp:
      throw FinalTaskError{failure.type, failure.what};
    case ApiFailure::Next::Retry:
      break;
  }
  throw TaskError{failure.type, failure.what};
}

ApiFailure parse_failure(const std::string& asked, const Error& error) {
  if (error.code == Errc::NotFound) {
    return {Reason::Parse, ApiFailure::Next::GiveUp, "LookupError", asked + ": " + error.what, {}};
  }
  return {Reason::Parse,
          ApiFailure::Next::Retry,
          "ValueError",
          fmt::format("Reddit's answer to {}: {}", asked, error.what),
          {}};
}

ApiFailure store_failure(const char* call, const Error& error) {
  return {Reason::Store,
          ApiFailure::Next::Retry,
          "ConnectionError",
          fmt::format("store, {}: {}", call, error.what),
          {}};
}

template <class T>
T need(TaskContext& context, const char* call, Result<T> result) {
  if (!result) end_with(context, store_failure(call, result.error()));
  return std::move(*result);
}

class RedditTasks {
 public:
  RedditTasks(RedditOptions options, Store& store)
      : options_{std::move(options)}, store_{store}, source_{options_, store.shared()} {}

  json::value discover(TaskContext& context, const std::string& subreddit);
  json::value fetch(TaskContext& context, const std::string& url);

 private:
  using Listed = std::map<std::string, Submission>;  // by fullname

  reddit::Walk walk(TaskContext& context, const std::string& subreddit, Listed& listed);
  [[nodiscard]] std::optional<WallTime> began(TaskContext& context, const std::string& key);
  std::uint64_t accept(TaskContext& context, const std::string& subreddit, const reddit::Walk& walk,
                       const Listed& listed);
  Submission fetched(TaskContext& context, const std::string& id);
  void observe(TaskContext& context, const Submission& submission, double seconds);
  [[noreturn]] void fail_fetch(TaskContext& context, const ApiFailure& failure);

  RedditOptions options_;
  Store& store_;
  reddit::ApiSource source_;
  metrics::BoundedLabel subreddit_label_;
};

std::string began_key(const std::string& subreddit) { return "reddit.began." + subreddit; }

std::optional<WallTime> RedditTasks::began(TaskContext& context, const std::string& key) {
  const auto text = need(context, "shared value", store_.shared().get(key, context.clock().wall()));
  if (!text) return std::nullopt;
  std::int64_t micros = 0;
  const auto [end, bad] = std::from_chars(text->data(), text->data() + text->size(), micros);
  if (bad != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return from_micros(micros);
}

reddit::Walk RedditTasks::walk(TaskContext& context, const std::string& subreddit, Listed& listed) {
  reddit::WalkOptions options;
  options.watermark = need(context, "watermark", store_.submissions().watermark(subreddit));
  options.began = began(context, began_key(subreddit));
  reddit::Walk walk{options};
  reddit::Walk::Step step{true, ""};
  while (step.fetch) {
    const std::string path = fmt::format("/r/{}/new", subreddit);
    const std::string target = fmt::format("{}?limit=100&raw_json=1{}{}", path,
                                           step.after.empty() ? "" : "&after=", step.after);
    auto answer = source_.get(target, context.clock(), context.stop());
    if (!answer) end_with(context, answer.error());
    auto page = reddit::parse_listing(answer->body);
    if (!page) end_with(context, parse_failure(path, page.error()));
    if (page->after && !reddit::is_fullname(*page->after)) {
      end_with(context, parse_failure(path, invalid("data.after: expected a fullname")));
    }

    std::vector<std::string> names;
    for (const Submission& child : page->children) names.push_back(child.fullname);
    const auto known = need(context, "sighted", store_.submissions().sighted(names));
    std::vector<reddit::ListedItem> items;
    for (std::size_t i = 0; i < names.size(); ++i) {
      items.push_back({names[i], page->children[i].created, known.at(i)});
    }
    const bool had_begun = walk.began().has_value();
    step = walk.feed(items, page->after);
    if (walk.began() && !had_begun) {
      // Whoever is first to list decides: adding nothing to what is there leaves it as it is.
      need(context, "shared value",
           store_.shared().add(began_key(subreddit), 0, to_micros(*walk.began()),
                               context.clock().wall() + kForGood, context.clock().wall()));
    }
    for (Submission& child : page->children) listed.try_emplace(child.fullname, std::move(child));
  }
  return walk;
}

std::uint64_t RedditTasks::accept(TaskContext& context, const std::string& subreddit,
                                  const reddit::Walk& walk, const Listed& listed) {
  std::vector<TaskRequest> requests;
  Together together;
  // Oldest first, so that they are fetched in the order in which they were written.
  for (auto name = walk.fresh().rbegin(); name != walk.fresh().rend(); ++name) {
    const Submission& submission = listed.at(*name);
    TaskRequest request;
    request.name = kFetch;
    request.args = json::serialize(json::array{"https://www.reddit.com" + submission.permalink});
    request.id = TaskId{named_uuid("fetch|" + submission.fullname)};
    requests.push_back(std::move(request));
    together.sightings.push_back(
        {submission.fullname, lower(submission.subreddit), submission.created});
  }
  if (walk.newest()) together.watermark = Watermark{subreddit, *walk.newest()};
  const auto handles = context.spawn(requests, together);
  if (!handles) end_with(context, store_failure("accept", handles.error()));

  std::uint64_t fresh = 0;
  for (std::size_t i = 0; i < handles->size() && i < together.sightings.size(); ++i) {
    if (!(*handles)[i].fresh) continue;
    ++fresh;
    context.metrics()
        .counter(metrics::kSubmissionsDiscovered,
                 {subreddit_label_(together.sightings[i].subreddit)})
        .Increment();
  }
  return fresh;
}

json::value RedditTasks::discover(TaskContext& context, const std::string& subreddit) {
  const bool is_name = subreddit.size() >= 2 && subreddit.size() <= 21 &&
                       std::all_of(subreddit.begin(), subreddit.end(), [](unsigned char c) {
                         return std::isalnum(c) != 0 || c == '_';
                       });
  if (!is_name) {
    throw FinalTaskError{"ValueError",
                         fmt::format("subreddit: '{}' is no name; allowed are 2 to 21 letters, "
                                     "digits and '_', without /r/",
                                     subreddit.substr(0, 50))};
  }
  const std::string name = lower(subreddit);
  auto& gaps = context.metrics().counter(metrics::kSubmissionsGap, {subreddit_label_(name)});

  Listed listed;
  const reddit::Walk walked = walk(context, name, listed);
  // An empty subreddit has nothing to accept, and no watermark.
  const std::uint64_t fresh = walked.newest() ? accept(context, name, walked, listed) : 0;
  if (walked.gap()) {
    gaps.Increment();
    context.log().warn("submissions missed: the listing ended before what was known",
                       {{"subreddit", name}, {"pages", walked.pages()}});
  }
  return json::object{
      {"subreddit", name}, {"new", fresh}, {"pages", walked.pages()}, {"gap", walked.gap()}};
}

void RedditTasks::fail_fetch(TaskContext& context, const ApiFailure& failure) {
  if (failure.next != ApiFailure::Next::Stopped) {
    context.metrics()
        .counter(metrics::kSubmissionFetchFailures, {std::string{to_text(failure.reason)}})
        .Increment();
  }
  end_with(context, failure);
}

Submission RedditTasks::fetched(TaskContext& context, const std::string& id) {
  const std::string path = fmt::format("/comments/{}/", id);
  // limit and depth: one comment comes along at most, as none is stored.
  const auto answer =
      source_.get(path + "?raw_json=1&limit=1&depth=1", context.clock(), context.stop());
  if (!answer) fail_fetch(context, answer.error());
  auto submission = reddit::parse_comments(answer->body);
  if (!submission) fail_fetch(context, parse_failure(path, submission.error()));
  if (submission->fullname != "t3_" + id) {
    fail_fetch(context,
               parse_failure(path, invalid(fmt::format("[0].data.children[0].data.name: expected "
                                                       "t3_{}, got {}",
                                                       id, submission->fullname))));
  }
  submission->source = kSource;
  submission->simulated = options_.simulated;
  submission->fetched = context.clock().wall();
  return std::move(*submission);
}

void RedditTasks::observe(TaskContext& context, const Submission& submission, double seconds) {
  auto& all = context.metrics();
  const std::vector<std::string> source{kSource};
  const auto age = std::chrono::duration<double>(submission.fetched - submission.created).count();
  all.histogram(metrics::kSubmissionFetchTime, source).Observe(seconds);
  all.counter(metrics::kSubmissionsFetched,
              {subreddit_label_(lower(submission.subreddit)), kSource})
      .Increment();
  all.histogram(metrics::kSubmissionTitleLength, source)
      .Observe(static_cast<double>(characters(submission.title)));
  if (submission.is_self) {
    all.histogram(metrics::kSubmissionTextLength, source)
        .Observe(static_cast<double>(characters(submission.selftext)));
  }
  all.histogram(metrics::kSubmissionScore, source).Observe(static_cast<double>(submission.score));
  all.histogram(metrics::kSubmissionComments, source)
      .Observe(static_cast<double>(submission.num_comments));
  all.histogram(metrics::kSubmissionAge, source).Observe(std::max(age, 0.0));
}

json::value RedditTasks::fetch(TaskContext& context, const std::string& url) {
  const auto id = reddit::submission_id(url, options_.api_url);
  if (!id) throw FinalTaskError{"ValueError", id.error().what};

  const auto began = context.clock().steady();
  const Submission submission = fetched(context, *id);
  const auto stored = store_.submissions().upsert(std::span{&submission, 1});
  if (!stored) fail_fetch(context, store_failure("upsert", stored.error()));
  const double seconds = std::chrono::duration<double>(context.clock().steady() - began).count();
  observe(context, submission, seconds);
  return json::object{{"fullname", submission.fullname},
                      {"subreddit", submission.subreddit},
                      {"title", submission.title},
                      {"score", submission.score},
                      {"num_comments", submission.num_comments},
                      {"fetch_seconds", seconds}};
}

}  // namespace

void add_reddit_tasks(TaskRegistry& tasks, const RedditOptions& options, Store& store) {
  const auto all = std::make_shared<RedditTasks>(options, store);

  TaskOptions discover;
  discover.queue = QueueName{"reddit"};
  discover.retry = RetryPolicy{.max_retries = 3, .first_delay = std::chrono::seconds{2}};
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
  fetch.retry = RetryPolicy{.max_retries = 5, .first_delay = std::chrono::seconds{2}};
  fetch.description = "Fetches one submission by its permalink and stores it.";
  tasks.add(
      kFetch,
      std::function<json::value(TaskContext&, std::string)>{
          [all](TaskContext& context, const std::string& url) { return all->fetch(context, url); }},
      {"url"}, std::move(fetch));
}

void init_reddit_metrics(metrics::Metrics& metrics) {
  for (const Reason reason : reddit::kReasons) {
    static_cast<void>(
        metrics.counter(metrics::kSubmissionFetchFailures, {std::string{to_text(reason)}}));
  }
  for (const metrics::Family* family :
       {&metrics::kSubmissionFetchTime, &metrics::kSubmissionTitleLength,
        &metrics::kSubmissionTextLength, &metrics::kSubmissionScore, &metrics::kSubmissionComments,
        &metrics::kSubmissionAge}) {
    static_cast<void>(metrics.histogram(*family, {kSource}));
  }
}

}  // namespace umbel
