#include "umbel/http/client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <mutex>

#include "umbel/base/text.hpp"

namespace umbel::http {
namespace {

// What one transfer's callbacks fill in.
struct Transfer {
  const ClientRequest& request;
  ClientResponse response{};
  std::size_t header_bytes = 0;
  bool too_large = false, too_many_headers = false;
};

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::size_t bytes = size * count;
  if (transfer.response.body.size() + bytes > transfer.request.max_body) {
    transfer.too_large = true;
    return 0;  // fewer than offered: libcurl ends the transfer
  }
  transfer.response.body.append(data, bytes);
  return bytes;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::string_view line{data, size * count};
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > transfer.request.max_headers) {
    transfer.too_many_headers = true;
    return 0;
  }
  if (line.substr(0, 5) == "HTTP/") {
    transfer.response.headers.clear();  // a final answer replaces a 100 Continue
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    transfer.response.headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  }
  return size * count;
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(context)->request.stop.stop_requested() ? 1 : 0;
}

Error to_error(CURLcode code, const Transfer& transfer, const char* detail) {
  const auto& request = transfer.request;
  const std::string what = fmt::format("{} {}: {}", request.method, without_password(request.url),
                                       *detail != '\0' ? detail : curl_easy_strerror(code));
  if (transfer.too_large) {
    return invalid(fmt::format("{} {}: the answer is larger than the bound of {} bytes",
                               request.method, without_password(request.url), request.max_body));
  }
  if (transfer.too_many_headers) {
    return invalid(fmt::format("{} {}: the answer's headers are larger than the bound of {} bytes",
                               request.method, without_password(request.url), request.max_headers));
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {Errc::TimedOut, what};
    case CURLE_ABORTED_BY_CALLBACK:
      return {Errc::Cancelled, what};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      return {Errc::Invalid, what};
    default:
      return {Errc::Unavailable, what};
  }
}

double seconds(CURL* handle, CURLINFO info) {
  double value = 0;
  curl_easy_getinfo(handle, info, &value);
  return value;
}

ClientTimes times_of(CURL* handle) {
  ClientTimes times;
  times.name_lookup = seconds(handle, CURLINFO_NAMELOOKUP_TIME);
  times.connect = std::max(times.name_lookup, seconds(handle, CURLINFO_CONNECT_TIME));
  times.tls = std::max(times.connect, seconds(handle, CURLINFO_APPCONNECT_TIME));
  times.sent = std::max(times.tls, seconds(handle, CURLINFO_PRETRANSFER_TIME));
  times.first_byte = std::max(times.sent, seconds(handle, CURLINFO_STARTTRANSFER_TIME));
  times.total = std::max(times.first_byte, seconds(handle, CURLINFO_TOTAL_TIME));
  return times;
}

}  // namespace

struct Client::Impl {
  Impl() {
    static std::once_flag once;  // libcurl's own start-up is not thread-safe
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    handle = curl_easy_init();
    if (handle == nullptr) throw std::runtime_error{"libcurl cannot be initialised"};
  }
  ~Impl() { curl_easy_cleanup(handle); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  CURL* handle = nullptr;
};

Client::Client() : impl_{std::make_unique<Impl>()} {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<ClientResponse> Client::send(const ClientRequest& request) {
  CURL* handle = impl_->handle;
  curl_easy_reset(handle);  // options go, connections stay
  Transfer transfer{.request = request};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
  curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");  // all that libcurl can unpack
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  if (request.method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST") {
    curl_easy_setopt(handle, CURLOPT_POST, 1L);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  } else if (request.method != "GET") {
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  if (!request.basic_auth.empty()) {
    curl_easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(handle, CURLOPT_USERPWD, request.basic_auth.c_str());
  }
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers{nullptr,
                                                                      &curl_slist_free_all};
  for (const auto& [name, value] : request.headers) {
    auto* longer = curl_slist_append(headers.get(), fmt::format("{}: {}", name, value).c_str());
    if (longer == nullptr) throw std::bad_alloc{};
    static_cast<void>(headers.release());
    headers.reset(longer);
  }
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(handle);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) return to_error(code, transfer, detail);
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  transfer.response.times = times_of(handle);
  return std::move(transfer.response);
}

}  // namespace umbel::http
