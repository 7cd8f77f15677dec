#include "compression.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>

namespace umbel::celery {
namespace {

constexpr std::size_t kChunk = 64 * 1024;

struct EndInflate {
  void operator()(z_stream* stream) const { (void)inflateEnd(stream); }
};

}  // namespace

Result<std::string> inflated(std::string_view compressed, std::size_t most) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return unavailable("zlib: no memory to read a compressed body");
  const std::unique_ptr<z_stream, EndInflate> end{&stream};
  // zlib only reads through this pointer.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(std::min<std::size_t>(compressed.size(), 0xFFFF'FFFFU));
  std::string out;
  std::array<char, kChunk> chunk;
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    const int state = inflate(&stream, Z_NO_FLUSH);
    const auto made = chunk.size() - stream.avail_out;
    if (out.size() + made > most) {
      return invalid("the compressed body has more than " + std::to_string(most) +
                     " bytes when it is inflated");
    }
    out.append(chunk.data(), made);
    if (state == Z_STREAM_END) break;
    if (state == Z_OK && (made > 0 || stream.avail_in > 0)) continue;
    if (state == Z_OK || state == Z_BUF_ERROR) {
      return invalid("the compressed body ends in the middle of its zlib stream");
    }
    return invalid(std::string{"the compressed body is no zlib stream: "} +
                   (stream.msg != nullptr ? stream.msg : "it needs a dictionary"));
  }
  if (stream.avail_in > 0) {
    return invalid("the compressed body has " + std::to_string(stream.avail_in) +
                   " bytes after the end of its zlib stream");
  }
  return out;
}

}  // namespace umbel::celery
