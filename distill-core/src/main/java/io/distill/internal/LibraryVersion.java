package io.distill.internal;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Which version of the library this is. */
public final class LibraryVersion {

  private LibraryVersion() {}

  /** Returns such as {@code 1.2.0}; {@code unknown} if the build did not say. */
  public static String text() {
    Properties properties = new Properties();
    try (InputStream in = LibraryVersion.class.getResourceAsStream("version.properties")) {
      if (in != null) {
        properties.load(in);
      }
    } catch (IOException e) {
      Logger logger = LoggerFactory.getLogger(LibraryVersion.class);
      logger.debug("The version of the library could not be read", e);
    }
    return properties.getProperty("version", "unknown");
  }
}
