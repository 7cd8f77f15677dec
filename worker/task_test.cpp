#include "umbel/worker/task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace umbel {
namespace {

using boost::json::array;
using boost::json::object;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A call needs a context; these functions ask nothing of it.
class NoContext final : public TaskContext {
 public:
  [[nodiscard]] const TaskId& id() const override { return id_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t retries() const override { return 0; }
  [[nodiscard]] std::stop_token stop() const override { return {}; }
  [[nodiscard]] const Log& log() const override { return log_; }
  [[nodiscard]] metrics::Metrics& metrics() override { return metrics_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] Result<std::vector<AcceptedHandle>> spawn(std::vector<TaskRequest>,
                                                          const Together&) override {
    return unavailable("not here");
  }
  [[nodiscard]] bool sleep_for(std::chrono::milliseconds) override { return true; }

 private:
  TaskId id_{"t"};
  std::string name_{"t"};
  Log log_ = Log::none();
  metrics::Metrics metrics_{"test"};
  SystemClock clock_;
};

std::string describe(TaskContext&, const std::string& title, std::int64_t count, double share,
                     const std::vector<std::string>& tags, std::optional<bool> loud) {
  return title + " " + std::to_string(count) + " " + std::to_string(share).substr(0, 4) + " " +
         std::to_string(tags.size()) + (loud ? (*loud ? " loud" : " quiet") : " unset");
}

class TaskCall : public ::testing::Test {
 protected:
  TaskCall() {
    tasks.add(
        "describe", describe,
        {"title", "count", {"share", 0.25}, {"tags", boost::json::array{}}, {"loud", nullptr}});
  }
  boost::json::value call(const array& args, const object& kwargs) {
    return tasks.find("describe")->call(context, args, kwargs);
  }
  std::string refusal(const array& args, const object& kwargs) {
    try {
      (void)call(args, kwargs);
    } catch (const FinalTaskError& error) {
      return error.type() + ": " + error.what();
    }
    return "none";
  }
  TaskRegistry tasks;
  NoContext context;
};

TEST_F(TaskCall, TakesPositionalNamedAndDefaultArguments) {
  EXPECT_EQ(call({"a", 2}, {}), "a 2 0.25 0 unset");
  EXPECT_EQ(call({"a"}, {{"count", 3}, {"share", 1}, {"loud", true}}), "a 3 1.00 0 loud");
  EXPECT_EQ(call({"a", 2, 0.5, array{"x", "y"}, false}, {}), "a 2 0.50 2 quiet");
}

TEST_F(TaskCall, NamesWhatIsMissing) {
  EXPECT_EQ(refusal({}, {}),
            "TypeError: describe() is missing 'title' (string), 'count' (integer)");
}

TEST_F(TaskCall, NamesWhatIsSurplus) {
  EXPECT_THAT(
      refusal({"a", 1}, {{"colour", "red"}}),
      HasSubstr("TypeError: describe() got unexpected 'colour' (parameters: title: string"));
  EXPECT_THAT(refusal({"a", 1, 0.5, array{}, true, 6}, {}),
              HasSubstr("takes 5 positional arguments but 6 were given"));
}

TEST_F(TaskCall, NamesWhatIsGivenTwice) {
  EXPECT_EQ(refusal({"a", 1}, {{"title", "b"}}),
            "TypeError: describe() got two values for argument 'title'");
}

TEST_F(TaskCall, NamesWhatHasAnotherType) {
  EXPECT_EQ(refusal({"a", "2"}, {}),
            "TypeError: describe() argument 'count' must be integer, not string '2'");
  EXPECT_EQ(refusal({nullptr, 2}, {}),
            "TypeError: describe() argument 'title' must be string, not null None");
  EXPECT_THAT(refusal({"a", 2, 0.5, array{1}}, {}), HasSubstr("argument 'tags' must be array"));
  EXPECT_THAT(refusal({"a", 2.5}, {}), HasSubstr("argument 'count' must be integer"));
  EXPECT_THAT(refusal({"a", 18446744073709551615U}, {}),
              HasSubstr("argument 'count' must be integer"));
}

TEST_F(TaskCall, DoesNotTouchAFunctionWhoseArgumentsDoNotFit) {
  bool called = false;
  std::function<void(TaskContext&, std::int64_t)> function = [&](TaskContext&, std::int64_t) {
    called = true;
  };
  tasks.add("careful", function, {"n"});

  EXPECT_THROW((void)tasks.find("careful")->call(context, {"one"}, {}), FinalTaskError);
  EXPECT_FALSE(called);
  EXPECT_EQ(tasks.find("careful")->call(context, {1}, {}), nullptr);
  EXPECT_TRUE(called);
}

TEST(TaskRegistry, DescribesEachTaskForTheCatalogue) {
  TaskRegistry tasks;
  TaskOptions options;
  options.queue = QueueName{"words"};
  options.retry.max_retries = 3;
  options.soft_time_limit = 2.5;
  options.ignore_result = true;
  options.description = "Words.";
  tasks.add("describe", describe,
            {"title", "count", {"share", 0.25}, {"tags", boost::json::array{}}, {"loud", nullptr}},
            options);

  const auto entries = tasks.entries();
  ASSERT_EQ(entries.size(), 1U);
  const CatalogueEntry expected{"describe",
                                QueueName{"words"},
                                {{"title", "string", true, ""},
                                 {"count", "integer", true, ""},
                                 {"share", "number", false, "0.25"},
                                 {"tags", "array", false, "[]"},
                                 {"loud", "any", false, "null"}},
                                3,
                                2.5,
                                true,
                                "Words."};
  EXPECT_EQ(entries[0], expected);
  EXPECT_THAT(tasks.queues(), ElementsAre(QueueName{"words"}));
}

double area(TaskContext& context, double width, double height) {
  if (width < 0) throw FinalTaskError{"ValueError", "width: must not be negative"};
  context.log().info("measured");
  return width * height;
}

TEST(TaskRegistry, TakesTheExampleOfTheReadme) {
  TaskRegistry tasks;
  tasks.add("area", area, {"width", {"height", 1.0}}, {.queue = QueueName{"shapes"}});

  NoContext context;
  EXPECT_EQ(tasks.find("area")->call(context, {2}, {{"height", 3}}), 6.0);
  EXPECT_EQ(tasks.find("area")->call(context, {2}, {}), 2.0);
  EXPECT_THROW((void)tasks.find("area")->call(context, {-2}, {}), FinalTaskError);
}

TEST(TaskRegistry, RefusesANameTwiceAndAWrongNumberOfNames) {
  TaskRegistry tasks;
  std::function<void(TaskContext&)> nothing = [](TaskContext&) {};
  tasks.add("nothing", nothing, {});

  EXPECT_THROW(tasks.add("nothing", nothing, {}), std::logic_error);
  EXPECT_THROW(tasks.add("other", nothing, {"x"}), std::logic_error);
  EXPECT_THROW(tasks.add("", nothing, {}), std::logic_error);
  EXPECT_EQ(tasks.find("other"), nullptr);
}

}  // namespace
}  // namespace umbel
