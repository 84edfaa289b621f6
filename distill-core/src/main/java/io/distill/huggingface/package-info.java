/** Files in the formats of the Hugging Face ecosystem, in and out. */
@NullMarked
@CheckReturnValue
package io.distill.huggingface;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
