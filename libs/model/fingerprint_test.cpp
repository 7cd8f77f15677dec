#include "umbel/model/fingerprint.hpp"

#include <gtest/gtest.h>

namespace umbel {
namespace {

constexpr const char* kTraceback =
    "Traceback (most recent call last):\n"
    "  File \"/usr/lib/python3/dist-packages/celery/app/trace.py\", line 451, in trace_task\n"
    "    R = retval = fun(*args, **kwargs)\n"
    "  File \"/srv/app/tasks.py\", line 12, in fetch\n"
    "    return get(url)\n"
    "  File \"/srv/app/http.py\", line 7, in get\n"
    "ValueError: no such thing: 17\n";

TEST(ExceptionText, IsTypeAndMessage) {
  EXPECT_EQ(exception_text("ValueError('no such thing: 17')").type, "ValueError");
  EXPECT_EQ(exception_text("ValueError('no such thing: 17')").message, "no such thing: 17");
  EXPECT_EQ(exception_text("app.errors.Broken(\"it's gone\",)").type, "app.errors.Broken");
  EXPECT_EQ(exception_text("app.errors.Broken(\"it's gone\",)").message, "it's gone");
  EXPECT_EQ(exception_text("OSError(2, 'No such file')").message, "2, 'No such file'");
  EXPECT_EQ(exception_text("KeyError('a', 'b')").message, "'a', 'b'");
  EXPECT_EQ(exception_text("RuntimeError()").message, "");
  EXPECT_EQ(exception_text("TimeLimitExceeded").type, "TimeLimitExceeded");
  EXPECT_EQ(exception_text("HttpError: 503 from reddit").type, "HttpError");
  EXPECT_EQ(exception_text("HttpError: 503 from reddit").message, "503 from reddit");
  EXPECT_EQ(exception_text("it broke").type, "");
  EXPECT_EQ(exception_text("it broke").message, "it broke");
  EXPECT_EQ(exception_text("").type, "");
}

TEST(NormalisedMessage, HasNoNumbersIdsAndQuotedValues) {
  EXPECT_EQ(normalised_message("no such thing: 17"), "no such thing: #");
  EXPECT_EQ(normalised_message("task 5e0f1c2a-7a61-4e0f-9d3b-0123456789ab is gone"),
            "task # is gone");
  EXPECT_EQ(normalised_message("object at 0x7f3a1c"), "object at #");
  EXPECT_EQ(normalised_message("took 1.5s, more than 200ms"), "took #, more than #");
  EXPECT_EQ(normalised_message("2, 'No such file'"), "#, #");
  EXPECT_EQ(normalised_message("couldn't read what wasn't there"),
            "couldn't read what wasn't there");
  EXPECT_EQ(normalised_message("the post `t3_1xk3p` of \"u/some one\""), "the post # of #");
  EXPECT_EQ(normalised_message("utf8 is fine, and so is bad"), "utf8 is fine, and so is bad");
}

TEST(NormalisedMessage, EndsBetweenCharacters) {
  std::string message;
  for (int i = 0; i < 400; ++i) message += "ß ";
  const auto normal = normalised_message(message);
  EXPECT_LE(normal.size(), 300U);
  EXPECT_TRUE(normal.ends_with("ß") || normal.ends_with(" ")) << normal.substr(290);
}

TEST(Fingerprint, IsOfTypeMessageAndPlace) {
  const auto one = fingerprint("ValueError('no such thing: 17')", kTraceback);
  EXPECT_EQ(one.size(), 16U);
  EXPECT_EQ(one, fingerprint("ValueError('no such thing: 18')", kTraceback));
  EXPECT_NE(one, fingerprint("KeyError('no such thing: 17')", kTraceback));
  EXPECT_NE(one, fingerprint("ValueError('no such place: 17')", kTraceback));
  EXPECT_NE(one, fingerprint("ValueError('no such thing: 17')", ""));
}

TEST(Fingerprint, IsNotOfALineNumber) {
  std::string moved = kTraceback;
  moved.replace(moved.find("line 12"), 7, "line 99");
  EXPECT_EQ(fingerprint("E('x')", kTraceback), fingerprint("E('x')", moved));
  moved.replace(moved.find("in fetch"), 8, "in fetc_");
  EXPECT_NE(fingerprint("E('x')", kTraceback), fingerprint("E('x')", moved));
}

TEST(Fingerprint, IsKnownOfFailedTasksOnly) {
  Task task;
  task.state = TaskState::Failure;
  EXPECT_FALSE(error_fingerprint(task));
  task.exception = "E('x')";
  EXPECT_EQ(error_fingerprint(task), fingerprint("E('x')", ""));
  task.state = TaskState::Retry;
  EXPECT_FALSE(error_fingerprint(task));
}

}  // namespace
}  // namespace umbel
