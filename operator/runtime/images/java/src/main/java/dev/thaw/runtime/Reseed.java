package dev.thaw.runtime;

import com.amazonaws.services.lambda.crac.Context;
import com.amazonaws.services.lambda.crac.Resource;
import java.lang.reflect.Field;
import java.security.SecureRandom;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Gives every clone of a snapshot randomness of its own.
 *
 * <p>{@link SecureRandom}, and with it {@code UUID.randomUUID}, reads the kernel's generator again when it last did so more
 * than 100 ms ago. The JDK's other generators were seeded once and would go on alike in every clone, so the state of those
 * that the JDK itself shares is replaced: of {@code Math.random}, {@link ThreadLocalRandom} and
 * {@code Collections.shuffle}, and what {@code new Random()} and {@code new SplittableRandom()} take their seeds from.
 * A generator that the function keeps is the function's to seed, in a hook of its own.
 *
 * <p>These are private fields of java.base, opened to us by {@code --add-opens}; the constructor finds them all, so that a
 * JDK without one of them fails at once and not by handing out equal numbers.
 */
final class Reseed implements Resource {
    private final Random mathRandom;
    private final AtomicLong[] seeds;
    private final Field shuffle;
    private final Field threadSeed;
    private final Field threadProbe;

    Reseed() throws ReflectiveOperationException {
        mathRandom = (Random) field(Class.forName("java.lang.Math$RandomNumberGeneratorHolder"), "randomNumberGenerator").get(null);
        seeds = new AtomicLong[] {
            (AtomicLong) field(Random.class, "seedUniquifier").get(null),
            (AtomicLong) field(SplittableRandom.class, "defaultGen").get(null),
            (AtomicLong) field(ThreadLocalRandom.class, "seeder").get(null),
        };
        shuffle = field(java.util.Collections.class, "r");
        threadSeed = field(Thread.class, "threadLocalRandomSeed");
        threadProbe = field(Thread.class, "threadLocalRandomProbe");
    }

    @Override
    public void beforeCheckpoint(Context<? extends Resource> context) {}

    @Override
    public void afterRestore(Context<? extends Resource> context) throws ReflectiveOperationException {
        SecureRandom fresh = new SecureRandom();
        mathRandom.setSeed(fresh.nextLong());
        for (AtomicLong seed : seeds) {
            seed.set(fresh.nextLong());
        }
        shuffle.set(null, new Random(fresh.nextLong()));
        for (Thread thread : threads()) {
            if (threadProbe.getInt(thread) != 0) { // it has drawn before
                threadSeed.setLong(thread, fresh.nextLong());
            }
        }
    }

    private static Field field(Class<?> owner, String name) throws NoSuchFieldException {
        Field found = owner.getDeclaredField(name);
        found.setAccessible(true);
        return found;
    }

    private static Thread[] threads() {
        ThreadGroup all = Thread.currentThread().getThreadGroup();
        while (all.getParent() != null) {
            all = all.getParent();
        }
        Thread[] found = new Thread[all.activeCount() * 2 + 8];
        all.enumerate(found);
        return java.util.Arrays.stream(found).filter(java.util.Objects::nonNull).toArray(Thread[]::new);
    }
}
